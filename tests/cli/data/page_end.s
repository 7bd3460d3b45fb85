# x86-64, for record.sh: instructions at the end of a page, of which QEMU names one twice. 9009 instructions; 1002
# loads, 1002 stores, 1000 read and written back.
        .globl _start
        .text
_start: mov     $1000, %ecx
        call    over
        mov     $1000, %ecx
        call    before
        mov     $231, %eax              # exit_group
        xor     %edi, %edi
        syscall
        .balign 4096
        .skip   4096 - 10
over:   nop
        mov     source(%rip), %eax      # 6 bytes, the last of this page but 3
        addl    $1, count(%rip)         # 7 bytes, of which 3 are in the next
        dec     %ecx
        jnz     over
        ret
        .balign 4096
        .skip   4096 - 7
before: nop
        mov     %eax, target(%rip)      # 6 bytes, the last of this page
        dec     %ecx
        jnz     before
        ret
        .data
source: .long   0
count:  .long   0
target: .long   0
