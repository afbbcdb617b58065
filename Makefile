# These targets need only Go: make, make demo, make test, make suites, make cross, make bench, make size.

GO       ?= go
# The version: the last git tag, such as v1.2.3, and the number of commits since then.
VERSION  := $(shell git describe --tags --match 'v[0-9]*' 2>/dev/null | sed 's/-\([0-9]*\)-g/+\1.g/' | grep . || \
              git log -1 --format=v0.0.0+0.g%h 2>/dev/null || echo v0.0.0)
LDFLAGS  := -s -w -X main.version=$(VERSION)
# The router does not serve HTTP/2, because a WebSocket needs HTTP/1.1. Leaving it out saves half a megabyte.
BUILD    := CGO_ENABLED=0 $(GO) build -trimpath -tags nethttpomithttp2 -ldflags "$(LDFLAGS)"

# name:GOARCH:Go's variable for the variant
TARGETS  := arm6:arm:GOARM=6 arm7:arm:GOARM=7 arm64:arm64:GOARM64=v8.0 riscv64:riscv64:GORISCV64=rva20u64 \
            mipsle:mipsle:GOMIPS=softfloat amd64:amd64:GOAMD64=v1

# The pages of 32-bit ARM kernels have 4 KiB. The linker's default of 64 KiB would pad each segment.
FOR_BOARD = -ldflags "$(LDFLAGS) $(if $(filter arm6 arm7,$*),-R 4096)"

# The race detector needs a C compiler.
RACE     := $(shell command -v $${CC:-gcc} >/dev/null 2>&1 && [ "$$($(GO) env CGO_ENABLED)" = 1 ] && echo -race)

CC_FOUND := $(shell command -v $(CC))

STATICCHECK := honnef.co/go/tools/cmd/staticcheck@v0.8.2
FUZZTIME    ?= 10s

# The suites test whole routers from outside. The other tests are unit tests and the stories.
SUITES = $(addprefix ./test/,cluster conformance crash docs examples federation fuzz hostile installed lines load mcu memory monitoring mqtt proxies seriallink)

# Systems other than Linux that the router is built for.
SYSTEMS := darwin windows freebsd

.PHONY: build demo test suites lint vulncheck cross bench perf share packages image mcu-library release deb size mcu-size fuzz clean

# The first build downloads the libraries and compiles everything. Go's -v lists each package as it is compiled.
build:
	@echo "building bin/runnel; the first build takes about two minutes and lists the packages as it goes"
	@$(BUILD) -v -o bin/runnel ./cmd/runnel

demo: build
	bin/runnel demo

# The unit tests, and one run of the stories. The first run compiles for a while, so it prints a message. The stories take
# longest, so they start first; they mostly wait, so one package more than there are processors runs at a time. The tests
# are not vetted again, because go vet checks more.
PROCESSORS = $(shell getconf _NPROCESSORS_ONLN 2>/dev/null || echo 2)
test:
	@echo "compiling and testing; the first run takes about two minutes"
	$(GO) vet ./...
	$(GO) test -vet=off -p $$(($(PROCESSORS) + 1)) -timeout 10m ./test/stories \
	  $$($(GO) list ./... | grep -v $(foreach s,$(SUITES),-e 'runnel/$(s:./%=%)$$'))

# The other suites, and all tests once more under the race detector.
suites:
	$(GO) test -p $$(($(PROCESSORS) + 1)) -timeout 30m $(RACE) ./...

lint:
	@unformatted=$$(gofmt -l $$(git ls-files '*.go')); if [ -n "$$unformatted" ]; then echo "gofmt would change:" $$unformatted; exit 1; fi
	$(GO) mod tidy -diff
	$(GO) vet ./...
	@for system in $(SYSTEMS); do echo "go vet for $$system"; GOOS=$$system CGO_ENABLED=0 $(GO) vet ./cmd/... ./edge/... ./transport/... ./uplink/... ./boards/... || exit 1; done
	$(GO) run $(STATICCHECK) ./...

# Looks for known vulnerabilities in the code that the binary reaches, in Go and in the libraries. It needs the Go module proxy
# and the database at https://vuln.go.dev, or a copy of the database: make vulncheck GOVULNDB=file:///DIR.
GOVULNCHECK := golang.org/x/vuln/cmd/govulncheck@v1.9.0
GOVULNDB    ?= https://vuln.go.dev
vulncheck:
	@echo "compiling govulncheck, which takes a minute the first time"
	@GOBIN=$(CURDIR)/bin $(GO) install $(GOVULNCHECK) || { echo 'vulncheck: nothing was checked: govulncheck comes from the Go module proxy, which cannot be reached' >&2; exit 1; }
	@bin/govulncheck -db $(GOVULNDB) -tags nethttpomithttp2 ./cmd/... || { status=$$?; [ $$status = 3 ] || \
	  echo 'vulncheck: nothing was checked: $(GOVULNDB) cannot be read; with a copy of the database: make vulncheck GOVULNDB=file:///DIR' >&2; exit $$status; }

cross: $(foreach t,$(TARGETS),dist/runnel-linux-$(firstword $(subst :, ,$(t))))
	@ls -l dist | awk 'NR > 1 { printf "%5.2f MB  %s\n", $$5 / 1e6, $$NF }'

# A prerequisite that never exists, because go build itself detects outdated files.
dist/runnel-linux-%: always
	@set -- $$(echo $(filter $*:%,$(TARGETS)) | tr ':' ' '); echo "building $@, about a minute the first time"; \
	  env GOOS=linux GOARCH=$$2 $$3 $(BUILD) $(FOR_BOARD) -o $@ ./cmd/runnel

always:

# Compares Runnel with nats-server and mosquitto, if they are installed, and with the lower limit for any broker
# (test/load/limit). PERF passes flags: make perf PERF='-n 1 -only call'.
perf: build
	$(if $(CC_FOUND),$(CC) -O2 -o bin/relay test/load/limit/relay.c)
	$(GO) run ./test/load -runnel bin/runnel $(if $(CC_FOUND),-relay bin/relay) $(PERF)

# The files that packages contain besides the binary: manual pages, completions, the changelog.
MD2MAN := github.com/cpuguy83/go-md2man/v2@v2.0.7
share: build
	@echo "writing manual pages and completions to dist/share"
	@rm -rf dist/share && mkdir -p dist/share/man/man1 dist/share/man/man5
	@bin/runnel man dist/share/source
	@GOBIN=$(CURDIR)/bin $(GO) install $(MD2MAN)
	@{ echo '% RUNNEL.TOML 5 "" "runnel $(VERSION)" "Runnel"'; cat docs/config.md; } >dist/share/source/runnel.toml.5.md
	@for page in dist/share/source/*.md; do \
	  name=$$(basename $$page .md); bin/go-md2man -in $$page | gzip -9n >dist/share/man/man$${name##*.}/$$name.gz || exit 1; \
	done
	@for shell in bash zsh fish; do bin/runnel completion $$shell >dist/share/runnel.$$shell || exit 1; done
	@gzip -9nc CHANGELOG.md >dist/share/changelog.gz
	@rm -r dist/share/source

# Packages for Debian and its derivatives, RPM systems, Alpine and OpenWrt: dist/runnel_*. Each is packager:binary. A third
# part is the architecture, if nfpm does not derive it from the binary's: opkg refuses a package whose architecture is not the
# device's own name of it, which contains the processor's core.
NFPM     := github.com/goreleaser/nfpm/v2/cmd/nfpm@v2.45.2
PACKAGES := deb:arm6 deb:arm64 deb:amd64 deb:riscv64 rpm:arm7 rpm:arm64 rpm:amd64 apk:arm6 apk:arm7 apk:arm64 apk:amd64 \
            ipk:mipsle:mipsel_24kc ipk:arm6:arm_arm1176jzf-s_vfp ipk:arm7:arm_cortex-a7_neon-vfpv4 \
            ipk:arm7:arm_cortex-a9_vfpv3-d16 ipk:arm7:arm_cortex-a15_neon-vfpv4 \
            ipk:arm64:aarch64_cortex-a53 ipk:arm64:aarch64_cortex-a72 ipk:arm64:aarch64_generic
packages: $(sort $(foreach p,$(PACKAGES),dist/runnel-linux-$(word 2,$(subst :, ,$(p))))) share
	@echo "compiling nfpm, which takes a minute the first time"
	@GOBIN=$(CURDIR)/bin $(GO) install $(NFPM)
	@for p in $(PACKAGES); do \
	  binary=$${p#*:}; arch=$${binary#*:} binary=$${binary%:*}; \
	  ARCH=$$arch BINARY=dist/runnel-linux-$$binary VERSION=$(VERSION:v%=%) \
	    bin/nfpm package -f boards/packaging/nfpm.yaml -p $${p%%:*} -t dist/ || exit 1; \
	done

# An OCI image without a base image, for ARM and PCs: dist/runnel-VERSION-image.tar.
CRANE := github.com/google/go-containerregistry/cmd/crane@v0.22.1
image: $(foreach a,arm6 arm7 arm64 amd64,dist/runnel-linux-$(a))
	@echo "compiling crane, which takes a minute the first time"
	@GOBIN=$(CURDIR)/bin $(GO) install $(CRANE)
	@sh boards/packaging/image.sh bin/crane dist $(VERSION:v%=%)

# The client for microcontrollers as a library for the Arduino IDE and PlatformIO: dist/runnel-mcu-VERSION.zip.
mcu-library:
	@echo "packing dist/runnel-mcu-$(VERSION:v%=%).zip"
	@$(GO) run ./boards/mcu/pack -version '$(VERSION:v%=%)' -o 'dist/runnel-mcu-$(VERSION:v%=%).zip'

# All files of a release, with their checksums. The version is that of the git tag. CHANGELOG.md must have a heading for
# it.
RELEASE_SYSTEMS := windows/amd64 windows/arm64 darwin/amd64 darwin/arm64 freebsd/amd64
release: packages image mcu-library
	@for s in $(RELEASE_SYSTEMS); do \
	  end=; case $$s in windows/*) end=.exe;; esac; echo "building dist/runnel-$${s%/*}-$${s#*/}$$end"; \
	  env GOOS=$${s%/*} GOARCH=$${s#*/} $(BUILD) -o dist/runnel-$${s%/*}-$${s#*/}$$end ./cmd/runnel || exit 1; \
	done
	@cd dist && find . -maxdepth 1 -type f ! -name SHA256SUMS -printf '%P\n' | sort | xargs sha256sum >SHA256SUMS
	@case $(VERSION) in *+*) ;; *) grep -q '^## \[$(VERSION:v%=%)\]' CHANGELOG.md || \
	  { echo 'release: CHANGELOG.md has no heading "## [$(VERSION:v%=%)]"' >&2; exit 1; };; esac
	@echo "dist/SHA256SUMS"

# The Debian package for this machine only, in the directory DEB.
DEB ?= dist
deb: build share
	@echo "compiling nfpm, which takes a minute the first time"
	@GOBIN=$(CURDIR)/bin $(GO) install $(NFPM)
	@ARCH=$$($(GO) env GOARCH) BINARY=bin/runnel VERSION=$(VERSION:v%=%) bin/nfpm package -f boards/packaging/nfpm.yaml -p deb -t $(DEB)

bench:
	$(GO) test -run '^$$' -bench . -benchmem ./...

# Checks the size of the binary for the smallest boards, in bytes: uncompressed, and compressed as in a squashfs.
SIZE_LIMIT := 13930000
XZ_LIMIT   := 4110000
size: dist/runnel-linux-arm6
	@size=$$(wc -c < $<); echo "$<: $$size bytes, at most $(SIZE_LIMIT)"; [ $$size -le $(SIZE_LIMIT) ]
	@if command -v xz >/dev/null; then size=$$(xz -9 -c $< | wc -c); echo "$< compressed: $$size bytes, at most $(XZ_LIMIT)"; [ $$size -le $(XZ_LIMIT) ]; fi

# Checks the flash and RAM of the client for microcontrollers on a Cortex-M0. It needs Debian's gcc-arm-none-eabi.
mcu-size:
	@$(MAKE) --no-print-directory -s -C boards/mcu BUILD=$(CURDIR)/bin/mcu size

# Runs every fuzz target of the project for FUZZTIME. Minimizing an input is limited to 10 runs: a whole router does not
# behave identically each time, so minimizing would never end.
fuzz:
	@grep -r --include='*_test.go' '^func Fuzz' . | sed -E 's|^(.*)/[^/]*:func (Fuzz[A-Za-z0-9]*).*|\1 \2|' | sort | \
	while read -r package target; do \
	  echo "$$package $$target"; \
	  $(GO) test -run '^$$' -fuzz "^$$target\$$" -fuzztime $(FUZZTIME) -fuzzminimizetime 10x $$package </dev/null || exit 1; \
	done

clean:
	rm -rf bin dist
