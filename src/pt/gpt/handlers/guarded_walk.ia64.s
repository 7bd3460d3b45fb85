// guarded_walk.c by hand, for the one architecture without a compiler: instruction for instruction
// what the loop compiled for SPARC does, with what IA-64 has of its own. `count` adds up its
// instructions by label. The assembler holds the stops (;;) against the dependencies; nobody has run it.
//
// Both words of an entry are read at once, as a bundle has room for two loads. A shift takes its whole
// register, so that the two counts are cut out of the head. Arguments and result as in C.
        .explicit
        .text
va      = r32
root    = r33
masks   = r34
key     = r14
table_bits = r15
allowed = r16
entry   = r17       // of the body, once the head is read
head    = r18
body    = r19
differs = r20
shift   = r21
width   = r22
index   = r23
table   = r24
rest    = r25
kind    = r26

        .global guarded_walk
        .proc guarded_walk
guarded_walk:
walk:
        shr.u   key = va, 1
        dep.z   table_bits = -1, 5, 38
        mov     allowed = -1
        mov     entry = root ;;
        or      key = 1, key ;;
level:
        ld8     head = [entry], 8 ;;
        ld8     body = [entry]
        xor     differs = key, head
        and     shift = 63, head
        extr.u  width = head, 6, 6 ;;
        shr.u   index = differs, shift
        and     table = table_bits, body ;;
        shr.u   rest = index, width ;;
        cmp.eq  p6, p7 = 0, rest ;;
   (p6) shladd  entry = index, 4, table
   (p6) br.cond.dptk level ;;
out:
        add     differs = differs, differs ;;   // bit 63 goes
        shr.u   rest = differs, shift ;;
        cmp.ltu p6, p7 = 1, rest
   (p6) br.cond.dpnt miss ;;
kind_of:
        extr.u  kind = head, 6, 2
        extr.u  index = differs, 14, 50 ;;      // pages of 16K
        cmp.eq  p6, p7 = 3, kind
        cmp.eq  p8, p9 = 1, kind
   (p6) br.cond.dpnt array ;;
leaf:
        and     r8 = allowed, body
   (p8) br.ret.dptk b0 ;;
shared:
        cmp.eq  p6, p7 = 0, kind
        and     body = 15, body
   (p6) br.cond.dpnt guarded_walk ;;            // Moved
        shladd  body = body, 3, masks ;;
        ld8     body = [body]
        mov     entry = table ;;
        and     allowed = allowed, body
        br.cond.sptk level ;;
array:
        shladd  index = index, 3, table ;;
        ld8     r8 = [index] ;;
        and     r8 = r8, allowed
        br.ret.sptk b0 ;;
miss:
        tbit.z  p8, p9 = head, 63               // an Internal?
        mov     r8 = 0
        add     entry = 8, entry ;;
   (p8) tbit.z.unc p6, p0 = body, 0
   (p9) tbit.z.unc p7, p0 = head, 8 ;;
   (p6) br.ret.dpnt b0
   (p7) br.ret.dpnt b0
        br.cond.sptk level ;;
end:
        .endp guarded_walk
