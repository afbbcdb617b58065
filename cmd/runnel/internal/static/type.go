package static

import (
	"path"
	"strings"
)

// typeOf returns the media type of a file by its extension. It does not read the machine's own table, which may lack
// types that browsers require, or differ between boards.
func typeOf(name string) string {
	extension := strings.ToLower(path.Ext(name))
	i := strings.Index(types, extension+" ")
	if extension == "" || i < 0 {
		return "application/octet-stream"
	}
	kind, _, _ := strings.Cut(types[i+len(extension)+1:], "\n")
	return kind
}

// types lists extensions, each with its media type.
const types = `.html text/html; charset=utf-8
.htm text/html; charset=utf-8
.css text/css; charset=utf-8
.js text/javascript; charset=utf-8
.mjs text/javascript; charset=utf-8
.json application/json; charset=utf-8
.map application/json; charset=utf-8
.webmanifest application/manifest+json
.wasm application/wasm
.txt text/plain; charset=utf-8
.log text/plain; charset=utf-8
.md text/plain; charset=utf-8
.csv text/csv; charset=utf-8
.xml text/xml; charset=utf-8
.yaml application/yaml
.yml application/yaml
.pdf application/pdf
.svg image/svg+xml
.png image/png
.jpg image/jpeg
.jpeg image/jpeg
.gif image/gif
.webp image/webp
.avif image/avif
.ico image/vnd.microsoft.icon
.woff2 font/woff2
.woff font/woff
.ttf font/ttf
.otf font/otf
.mp3 audio/mpeg
.ogg audio/ogg
.wav audio/wav
.mp4 video/mp4
.webm video/webm
.zip application/zip
.gz application/gzip
`
