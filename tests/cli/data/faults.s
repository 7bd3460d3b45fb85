# x86-64, for record.sh: a hundred faults in the middle of a block, whose handler goes on behind the
# instruction. 1611 instructions; 100 loads, 200 stores, 100 read and written back.
        .globl _start
        .text
_start: mov     $13, %eax               # rt_sigaction
        mov     $11, %edi               # SIGSEGV
        lea     action(%rip), %rsi
        xor     %edx, %edx
        mov     $8, %r10d
        syscall
        mov     $16, %r12d              # an address where nothing is
        mov     $100, %r13d
1:      nop
        nop
        nop
        mov     %r13d, first(%rip)
        mov     (%r12), %rax            # 4 bytes
        nop
        nop
        nop
        nop
        nop
        mov     %r13d, second(%rip)
        dec     %r13d
        jnz     1b
        mov     $231, %eax              # exit_group
        xor     %edi, %edi
        syscall
handler:
        addq    $4, 168(%rdx)           # the program counter in ucontext
        ret
restorer:
        mov     $15, %eax               # rt_sigreturn
        syscall
        .data
        .balign 8
action: .quad   handler
        .quad   0x04000004              # SA_RESTORER, SA_SIGINFO
        .quad   restorer
        .quad   0
first:  .long   0
second: .long   0
