# Changes an instruction of its own block, ten times: QEMU leaves the block at the store and begins
# another with it. Instructions: 1 + 10 * 5 + 3; stores: 10.
.globl _start
_start:
  mov $10, %ecx
again:
  lea target(%rip), %rdi
  movb %cl, 1(%rdi)
target:
  mov $0, %al
  dec %ecx
  jnz again
  mov $60, %eax
  xor %edi, %edi
  syscall
