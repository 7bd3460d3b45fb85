// guarded_walk.c by hand, for the one architecture without a compiler: what the walk compiled for
// SPARC does, with what IA-64 has of its own. `count` adds up its instructions by label. The assembler
// holds the stops (;;) against the dependencies; nobody has run it.
//
// A shift takes its whole register, so that the two counts are cut out of the head. Once the head is
// read, `entry` is the address of the body. Arguments and result as in C.
        .explicit
        .text
va      = r32
root    = r33
cpu     = r34
key     = r14
table_bits = r15
allowed = r16
entry   = r17
head    = r18
body    = r19
differs = r20
match   = r21
index   = r22
left    = r23
rest    = r24
table   = r25

        .global guarded_walk
        .proc guarded_walk
guarded_walk:
walk:
        shr.u   key = va, 1
        dep.z   table_bits = -1, 5, 38
        and     match = 63, root
        shr.u   index = root, 48                // as many ones as bits pick the slot
        mov     body = root ;;
        or      key = 1, key
        and     table = table_bits, root ;;
        shr.u   rest = key, match ;;
        and     index = index, rest ;;
        add     entry = index, table ;;
level:
        ld8     head = [entry], 8 ;;
        xor     differs = key, head
        and     match = 63, head ;;
        shr.u   rest = differs, match ;;
        cmp.eq  p6, p7 = 0, rest
   (p7) br.cond.dpnt out ;;
on:
        ld8     body = [entry]
        extr.u  index = head, 6, 6 ;;
        shr.u   index = differs, index
        and     table = table_bits, body ;;
        shladd  entry = index, 4, table
        br.cond.sptk level ;;
out:
        extr.u  left = differs, 0, 63 ;;        // bit 63 goes
        shr.u   rest = left, match ;;
        cmp.eq  p6, p7 = 0, rest
   (p7) br.cond.dpnt miss ;;
stop:
        ld8     body = [entry]
        tbit.z  p6, p7 = head, 7
   (p6) br.cond.dpnt no_array ;;
array:
        and     table = table_bits, body
        extr.u  index = left, 13, 50 ;;         // pages of 16K
        shladd  index = index, 3, table ;;
        ld8     r8 = [index]
        br.ret.sptk b0 ;;
no_array:
        mov     r8 = body
        tbit.nz p6, p7 = head, 6
   (p6) br.ret.dptk b0 ;;
        br.cond.sptk restricted ;;
miss:
        mov     r8 = 0
        tbit.z  p6, p7 = body, 63               // in no line
   (p6) br.ret.dpnt b0 ;;
second:
        adds    entry = 8, entry ;;
        ld8     head = [entry], 8 ;;
        xor     differs = key, head
        and     match = 63, head ;;
        extr.u  left = differs, 0, 63 ;;
        shr.u   rest = left, match ;;
        cmp.eq  p6, p7 = 0, rest
   (p6) br.cond.dptk found ;;
room:
        tbit.z  p6, p7 = body, 1                // of two
   (p6) br.ret.dpnt b0 ;;
third:
        adds    entry = 8, entry ;;
        ld8     head = [entry], 8 ;;
        xor     differs = key, head
        and     match = 63, head ;;
        extr.u  left = differs, 0, 63 ;;
        shr.u   rest = left, match ;;
        cmp.eq  p6, p7 = 0, rest
   (p6) br.cond.dptk found ;;
fourth:
        adds    entry = 8, entry ;;
        ld8     head = [entry], 8 ;;
        xor     differs = key, head
        and     match = 63, head ;;
        extr.u  left = differs, 0, 63 ;;
        shr.u   rest = left, match ;;
        cmp.eq  p6, p7 = 0, rest
   (p6) br.cond.dptk found ;;
none:
        br.ret.sptk b0 ;;
found:
        tbit.z  p6, p7 = head, 63               // an Internal
   (p6) br.cond.dpnt on
        br.cond.sptk stop ;;

// In a sub-tree that is shared, or after Moved. The tests of a line are the same.
restricted:
        mov     allowed = -1 ;;
go_on:
        tbit.z  p6, p7 = head, 8
        and     index = 15, body
        and     table = table_bits, body ;;
   (p6) br.cond.dpnt again
        adds    index = 1, index ;;
        shladd  index = index, 3, cpu ;;
        ld8     index = [index]
        mov     body = 0
        mov     entry = table ;;
        and     allowed = allowed, index ;;
below:
        ld8     head = [entry], 8 ;;
        xor     differs = key, head
        and     match = 63, head ;;
        shr.u   rest = differs, match ;;
        cmp.eq  p6, p7 = 0, rest
   (p7) br.cond.dpnt out_below ;;
on_below:
        ld8     body = [entry]
        extr.u  index = head, 6, 6 ;;
        shr.u   index = differs, index
        and     table = table_bits, body ;;
        shladd  entry = index, 4, table
        br.cond.sptk below ;;
out_below:
        extr.u  left = differs, 0, 63 ;;
        shr.u   rest = left, match ;;
        cmp.eq  p6, p7 = 0, rest
   (p7) br.cond.dpnt miss_below ;;
stop_below:
        ld8     body = [entry]
        tbit.z  p6, p7 = head, 7
   (p6) br.cond.dpnt no_array_below ;;
array_below:
        and     table = table_bits, body
        extr.u  index = left, 13, 50 ;;
        shladd  index = index, 3, table ;;
        ld8     body = [index] ;;
        and     r8 = allowed, body
        br.ret.sptk b0 ;;
no_array_below:
        and     r8 = allowed, body
        tbit.nz p6, p7 = head, 6
   (p6) br.ret.dptk b0 ;;
        br.cond.sptk go_on ;;
miss_below:
        mov     r8 = 0
        mov     r9 = 3
        tbit.z  p6, p7 = body, 63
   (p6) br.ret.dpnt b0 ;;
        tbit.z  p6, p7 = body, 1 ;;
   (p6) mov     r9 = 1 ;;
next_below:
        adds    entry = 8, entry ;;
        ld8     head = [entry], 8 ;;
        xor     differs = key, head
        and     match = 63, head ;;
        extr.u  left = differs, 0, 63 ;;
        shr.u   rest = left, match ;;
        cmp.eq  p6, p7 = 0, rest
        adds    r9 = -1, r9 ;;
   (p6) br.cond.dptk found_below
        cmp.ne  p6, p7 = 0, r9 ;;
   (p6) br.cond.dptk next_below
        br.ret.sptk b0 ;;
found_below:
        tbit.z  p6, p7 = head, 63
   (p6) br.cond.dpnt on_below
        br.cond.sptk stop_below ;;
again:
        ld8     root = [cpu] ;;
        and     match = 63, root
        shr.u   index = root, 48
        mov     body = root
        and     table = table_bits, root
        mov     allowed = -1 ;;
        shr.u   rest = key, match ;;
        and     index = index, rest ;;
        add     entry = index, table
        br.cond.sptk below ;;
        .endp guarded_walk
