// Numbers of the system calls a trace knows (isa.h), per ISA. Source: Linux's syscall tables
// (arch/*/entry/syscalls/*.tbl, include/uapi/asm-generic/unistd.h).
#ifndef MMUSIM_RECORD_CALLS_H_
#define MMUSIM_RECORD_CALLS_H_

#include <span>

#include "record/isa.h"

namespace mmusim::record {

std::span<const CallNumber> x86_64_calls();
std::span<const CallNumber> i386_calls();
std::span<const CallNumber> generic_calls();  // aarch64, riscv64, loongarch64
std::span<const CallNumber> arm_calls();      // EABI
std::span<const CallNumber> sparc64_calls();
std::span<const CallNumber> ppc64_calls();  // big and little endian
std::span<const CallNumber> alpha_calls();

}  // namespace mmusim::record

#endif  // MMUSIM_RECORD_CALLS_H_
