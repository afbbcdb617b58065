package test

import (
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"path"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
)

// logLevels are the methods of slog.Logger, and functions of slog, that write a line; each with the position of its message.
var logLevels = map[string]int{
	"Debug": 0, "Info": 0, "Warn": 0, "Error": 0,
	"DebugContext": 1, "InfoContext": 1, "WarnContext": 1, "ErrorContext": 1,
	"Log": 2, "LogAttrs": 2,
}

// attrFuncs are the functions of slog that make an attribute; the key is their first argument.
var attrFuncs = []string{"Any", "Bool", "Duration", "Float64", "Group", "Int", "Int64", "String", "Time", "Uint64"}

// attrKey matches a valid key of an attribute: snake_case.
var attrKey = regexp.MustCompile(`^[a-z][a-z0-9]*(_[a-z0-9]+)*$`)

// logsToDo lists the packages whose log lines do not follow the rules yet.
var logsToDo = []string{}

// Every log line of the product has a constant message, and keys in snake_case; errors are logged under "err".
func TestLogVocabulary(t *testing.T) {
	lines := 0
	for dir, files := range productFiles(t) {
		c := logChecker{fset: token.NewFileSet()}
		for _, file := range files {
			f, err := parser.ParseFile(c.fset, file, nil, 0)
			if err != nil {
				t.Fatal(err)
			}
			c.files = append(c.files, f)
		}
		c.check()
		lines += c.lines
		if slices.Contains(logsToDo, dir) {
			if len(c.faults) == 0 {
				t.Logf("%s keeps the rules now: take it out of logsToDo", dir)
			}
			continue
		}
		for _, fault := range c.faults {
			t.Error(fault)
		}
	}
	if lines < 100 {
		t.Errorf("only %d log lines were found", lines)
	}
}

// The rules must be able to fail.
func TestLogRules(t *testing.T) {
	for line, want := range map[string]int{
		`log.Info("session joined", "session", id, "err", err)`:              0,
		`log.Info("session joined", "in all", n)`:                            1,
		`log.Info("session joined", "inAll", n, "Peer", p)`:                  2,
		`log.Info("session joined", "because", err)`:                         1,
		`log.Info("session joined", "error", err)`:                           1,
		`log.Info("session "+name)`:                                          1,
		`log.Info(fmt.Sprintf("session %d", id))`:                            1,
		`log.Info(message)`:                                                  1,
		`log.Info(constant, "a", 1)`:                                         0,
		`log.Info("a "+"b; "+constant)`:                                      0,
		`slog.Error("no", slog.Int("how many", 1))`:                          1,
		`log.With("a b", 1).Warn("x")`:                                       1,
		`log.Log(ctx, slog.LevelInfo, "a"+b, "k", 1)`:                        1,
		`attrs := []any{"in all", 1}; log.Info("a", attrs...)`:               1,
		`attrs = append(attrs, "Until", 1, "x", 2); log.Info("a", attrs...)`: 1,
		`t.Error("Something", "else at all")`:                                0,
		`log.Info("a", key, 1)`:                                              0, // from a table
		`http.Error(w, "Not found", 404)`:                                    0,
	} {
		source := "package p\nimport \"log/slog\"\nconst constant = \"x\"\nfunc f() {\n" + line + "\n}\n"
		c := logChecker{fset: token.NewFileSet()}
		f, err := parser.ParseFile(c.fset, "line.go", source, 0)
		if err != nil {
			t.Fatal(err)
		}
		c.files = []*ast.File{f}
		if c.check(); len(c.faults) != want {
			t.Errorf("%s: %q, expected %d faults", line, c.faults, want)
		}
	}
}

// productFiles returns the Go files of the product without tests, by directory from the top.
func productFiles(t *testing.T) map[string][]string {
	t.Helper()
	files := make(map[string][]string)
	for _, top := range []string{"cmd", "edge", "transport", "uplink", "boards"} {
		err := filepath.WalkDir(filepath.Join("..", top), func(file string, d fs.DirEntry, err error) error {
			if err == nil && filepath.Ext(file) == ".go" && !strings.HasSuffix(file, "_test.go") {
				dir := path.Dir(strings.TrimPrefix(filepath.ToSlash(file), "../"))
				files[dir] = append(files[dir], file)
			}
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	return files
}

// logChecker checks the log lines of one package.
type logChecker struct {
	fset      *token.FileSet
	files     []*ast.File
	constants map[string]bool
	lines     int
	faults    []string
}

func (c *logChecker) check() {
	c.constants = make(map[string]bool)
	c.inspect(func(n ast.Node) {
		if d, ok := n.(*ast.GenDecl); ok && d.Tok == token.CONST {
			for _, spec := range d.Specs {
				for _, name := range spec.(*ast.ValueSpec).Names {
					c.constants[name.Name] = true
				}
			}
		}
	})
	for _, f := range c.files {
		ast.Inspect(f, func(n ast.Node) bool {
			if fn, ok := n.(*ast.FuncDecl); ok && fn.Body != nil {
				c.function(fn)
			}
			return true
		})
	}
}

func (c *logChecker) inspect(visit func(ast.Node)) {
	for _, f := range c.files {
		ast.Inspect(f, func(n ast.Node) bool { visit(n); return true })
	}
}

// function checks the log lines of one function, and the lists of attributes that it passes on.
func (c *logChecker) function(fn *ast.FuncDecl) {
	lists := make(map[string]bool) // variables that are passed to a log line as attributes...
	ast.Inspect(fn, func(n ast.Node) bool {
		call, ok := n.(*ast.CallExpr)
		if !ok {
			return true
		}
		name, isLog := c.logCall(call)
		switch {
		case !isLog:
		case name == "With":
			c.attrs(call, call.Args)
		default:
			c.lines++
			at := logLevels[name]
			if !c.constant(call.Args[at]) {
				c.fault(call, "the message is not constant")
			}
			if call.Ellipsis.IsValid() {
				if id, ok := call.Args[len(call.Args)-1].(*ast.Ident); ok {
					lists[id.Name] = true
				}
				break
			}
			c.attrs(call, call.Args[at+1:])
		}
		return true
	})
	ast.Inspect(fn, func(n ast.Node) bool {
		if assign, ok := n.(*ast.AssignStmt); ok && len(assign.Lhs) == 1 && len(assign.Rhs) == 1 {
			if id, ok := assign.Lhs[0].(*ast.Ident); ok && lists[id.Name] {
				c.list(assign.Rhs[0])
			}
		}
		return true
	})
}

// list checks the value of a list of attributes: a literal, or append.
func (c *logChecker) list(value ast.Expr) {
	switch v := value.(type) {
	case *ast.CompositeLit:
		c.attrs(v, v.Elts)
	case *ast.CallExpr:
		if id, ok := v.Fun.(*ast.Ident); ok && id.Name == "append" && !v.Ellipsis.IsValid() {
			c.attrs(v, v.Args[1:])
		}
	}
}

// logCall reports whether a call writes a log line, or makes a logger with more attributes. Loggers are recognized by
// their names, because no other value of the product has such a name.
func (c *logChecker) logCall(call *ast.CallExpr) (method string, ok bool) {
	sel, ok := call.Fun.(*ast.SelectorExpr)
	if !ok {
		return "", false
	}
	method = sel.Sel.Name
	at, known := logLevels[method]
	if !known && method != "With" || len(call.Args) <= at {
		return "", false
	}
	return method, isLogger(sel.X)
}

func isLogger(x ast.Expr) bool {
	switch x := x.(type) {
	case *ast.Ident:
		return strings.EqualFold(x.Name, "log") || x.Name == "slog" || x.Name == "logger"
	case *ast.SelectorExpr:
		return strings.EqualFold(x.Sel.Name, "log") || x.Sel.Name == "logger"
	case *ast.CallExpr:
		sel, ok := x.Fun.(*ast.SelectorExpr)
		return ok && (strings.EqualFold(sel.Sel.Name, "log") || sel.Sel.Name == "logger" || sel.Sel.Name == "Default" ||
			sel.Sel.Name == "With" && isLogger(sel.X))
	}
	return false
}

// constant reports whether an expression is a constant string.
func (c *logChecker) constant(x ast.Expr) bool {
	switch x := x.(type) {
	case *ast.BasicLit:
		return x.Kind == token.STRING
	case *ast.BinaryExpr:
		return c.constant(x.X) && c.constant(x.Y)
	case *ast.Ident:
		return c.constants[x.Name]
	case *ast.ParenExpr:
		return c.constant(x.X)
	}
	return false
}

// attrs checks keys and values.
func (c *logChecker) attrs(at ast.Node, args []ast.Expr) {
	for i := 0; i < len(args); i++ {
		if call, ok := args[i].(*ast.CallExpr); ok { // slog.Int("key", n)
			if sel, ok := call.Fun.(*ast.SelectorExpr); ok && slices.Contains(attrFuncs, sel.Sel.Name) && len(call.Args) > 0 {
				if x, ok := sel.X.(*ast.Ident); ok && x.Name == "slog" {
					c.key(call, call.Args[0], nil)
					continue
				}
			}
		}
		var value ast.Expr
		if i+1 < len(args) {
			value = args[i+1]
		}
		c.key(at, args[i], value)
		i++
	}
}

func (c *logChecker) key(at ast.Node, key, value ast.Expr) {
	lit, ok := key.(*ast.BasicLit)
	if !ok {
		return // from a table
	}
	text, err := strconv.Unquote(lit.Value)
	if err != nil || !attrKey.MatchString(text) {
		c.fault(at, "the key "+lit.Value+" is not in snake_case")
		return
	}
	id, ok := value.(*ast.Ident)
	if text == "because" || text == "error" || text != "err" && ok && id.Name == "err" {
		c.fault(at, "an error is logged under "+lit.Value+"; use \"err\"")
	}
}

func (c *logChecker) fault(at ast.Node, what string) {
	c.faults = append(c.faults, strings.TrimPrefix(c.fset.Position(at.Pos()).String(), "../")+": "+what)
}
