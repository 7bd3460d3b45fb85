# x86-64, for record.sh: 500009 instructions; 100001 loads, 100100 stores, 100000 read and written back.
        .globl _start
        .text
_start: mov     $100000, %ecx
1:      mov     source(%rip), %eax
        addl    $1, count(%rip)
        mov     %eax, target(%rip)
        dec     %ecx
        jnz     1b
        lea     bytes(%rip), %rdi
        mov     $100, %ecx
        xor     %eax, %eax
        rep stosb                       # one instruction, 100 stores
        movups  bytes(%rip), %xmm0      # one load of 16 bytes
        mov     $231, %eax              # exit_group
        mov     $7, %edi
        syscall
        .data
source: .long   0
count:  .long   0
target: .long   0
        .balign 16
bytes:  .zero   128
