# Prints the flash and RAM that the client needs on a Cortex-M0, and checks its budget. make size passes the compiler's flags.
set -eu
flash_limit=10240
ram_limit=2048
at=$BUILD/size
mkdir -p "$at"

compile() {
	from=$1 to=$2
	shift 2
	"${CROSS}gcc" "$@" -Isrc -c "$from" -o "$at/$to.o"
}

# Prints the flash size of the whole client in bytes. It includes the called functions of the compiler's library.
flash() {
	compile src/runnel.c "$1" $flags $2
	echo 'void *memset(void *p, int c, unsigned n) { volatile char *q = p; while (n--) *q++ = (char)c; return p; }' |
		"${CROSS}gcc" $M0 -x c -c - -o "$at/memset.o"
	"${CROSS}gcc" $M0 -nostdlib -Wl,--no-gc-sections -Wl,-e,0 "$at/$1.o" "$at/memset.o" -lgcc -o "$at/$1.elf"
	"${CROSS}size" "$at/$1.elf" | awk 'NR == 2 { print $1 + $2 }'
}

# Prints the size of struct runnel, the client's only data, in bytes of RAM.
ram() {
	printf '#include "runnel.h"\nstruct runnel client;\nchar kept[sizeof client];\n' | "${CROSS}gcc" $flags $1 -Isrc -x c -c - -o "$at/ram.o"
	echo $((0x$("${CROSS}nm" -S "$at/ram.o" | awk '/ kept$/ { print $2 }')))
}

flags=$*
M0='-Os -mcpu=cortex-m0 -mthumb -ffreestanding'

for c in src/runnel.c firmware/node.c firmware/microbit.c; do
	compile $c "$(basename $c .c)" $flags -fcallgraph-info=su
done
stack=$(cat "$at/runnel.ci" "$at/node.ci" "$at/microbit.ci" | awk -f stack.awk 2>"$at/way")

all=$(flash all '')
kept=$(ram '')
printf 'flash  %5d bytes, at most %d: the whole client, on a Cortex-M0\n' "$all" $flash_limit
printf '       %5d without half-duplex lines\n' "$(flash full '-DRUNNEL_HALF_DUPLEX=0')"
printf '       %5d with byte streams (RUNNEL_STREAM)\n' "$(flash stream '-DRUNNEL_STREAM=1')"
printf '       %5d the whole example: client, sensor node, drivers, startup code\n' "$("${CROSS}size" "$BUILD/microbit.elf" | awk 'NR == 2 { print $1 + $2 }')"
printf 'RAM    %5d bytes, at most %d: data and stack\n' $((kept + stack)) $ram_limit
printf '       %5d data, with the default sizes\n' "$kept"
printf '       %5d stack at its deepest:%s\n' "$stack" "$(sed 's/[a-z/]*\.c://g' "$at/way")"
printf '       %5d data, with the smallest sizes of messages and frames\n' \
	"$(ram '-DRUNNEL_N1=32 -DRUNNEL_K=1 -DRUNNEL_MESSAGE=128 -DRUNNEL_SEND=192 -DRUNNEL_OFFERS=2 -DRUNNEL_CALLS=1 -DRUNNEL_LOG=32')"
if [ "$all" -gt $flash_limit ] || [ $((kept + stack)) -gt $ram_limit ]; then
	echo 'size: the budget is exceeded' >&2
	exit 1
fi
