// Values of flags and errors on ISAs that have their own, as asm-generic has them (what traces
// have). Source: arch/{alpha,powerpc,sparc}/include/uapi/asm/{mman,errno}.h of Linux 6.1. Bits
// nobody knows stay.
#ifndef MMUSIM_RECORD_OWN_VALUES_H_
#define MMUSIM_RECORD_OWN_VALUES_H_

#include <cstdint>

namespace mmusim::record {

// mmap's flags
uint32_t alpha_mmap_flags(uint32_t flags);
uint32_t power_mmap_flags(uint32_t flags);
uint32_t sparc_mmap_flags(uint32_t flags);
// madvise's advice
uint32_t alpha_advice(uint32_t advice);
// msync's flags
uint32_t alpha_sync_flags(uint32_t flags);
// mlockall's flags, which alpha, powerpc and sparc have in the same place
uint32_t high_lock_all_flags(uint32_t flags);
// Errors that calls about memory and files can give
uint32_t alpha_error(uint32_t error);
uint32_t sparc_error(uint32_t error);

}  // namespace mmusim::record

#endif  // MMUSIM_RECORD_OWN_VALUES_H_
