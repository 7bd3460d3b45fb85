// The numbers of Linux's system-call interface that traces, the kernel model and workload scripts
// use on every ISA: asm-generic values (include/uapi/asm-generic/mman*.h, errno-base.h,
// linux/sched.h, linux/mman.h).
#ifndef MMUSIM_BASE_LINUX_ABI_H_
#define MMUSIM_BASE_LINUX_ABI_H_

#include <cstdint>

namespace mmusim::abi {

enum Prot : uint32_t {
  kProtRead = 1,
  kProtWrite = 2,
  kProtExec = 4,
  kProtGrowsDown = 0x01000000,
};
inline constexpr uint32_t kProtRights = kProtRead | kProtWrite | kProtExec;

enum Map : uint32_t {
  kMapShared = 0x01,
  kMapPrivate = 0x02,
  kMapSharedValidate = 0x03,
  kMapType = 0x0f,
  kMapFixed = 0x10,
  kMapAnonymous = 0x20,
  kMapGrowsDown = 0x100,
  kMapLocked = 0x2000,
  kMapNoReserve = 0x4000,
  kMapPopulate = 0x8000,
  kMapNonBlock = 0x10000,
  kMapHugeTlb = 0x40000,
  kMapFixedNoReplace = 0x100000,
};

// log2 of the huge page size in bits 31:26 of mmap's flags; 0: the default size.
inline constexpr unsigned kMapHugeShift = 26, kMapHugeMask = 0x3f;

enum Lock : uint32_t {
  kMlockOnFault = 1,  // mlock2
  kMclCurrent = 1,    // mlockall
  kMclFuture = 2,
  kMclOnFault = 4,
};

enum Remap : uint32_t { kRemapMayMove = 1, kRemapFixed = 2, kRemapDontUnmap = 4 };

enum Advice : uint32_t {
  kAdviceNormal = 0,
  kAdviceRandom = 1,
  kAdviceSequential = 2,
  kAdviceWillNeed = 3,
  kAdviceDontNeed = 4,
  kAdviceFree = 8,
  kAdviceRemove = 9,
  kAdviceDontFork = 10,
  kAdviceDoFork = 11,
  kAdviceMergeable = 12,
  kAdviceUnmergeable = 13,
  kAdviceHugePage = 14,
  kAdviceNoHugePage = 15,
  kAdviceDontDump = 16,
  kAdviceDoDump = 17,
  kAdviceWipeOnFork = 18,
  kAdviceKeepOnFork = 19,
  kAdviceCold = 20,
  kAdvicePageOut = 21,
  kAdvicePopulateRead = 22,
  kAdvicePopulateWrite = 23,
  kAdviceDontNeedLocked = 24,
  kAdviceCollapse = 25,
  kAdviceGuardInstall = 102,  // Linux 6.13
  kAdviceGuardRemove = 103,
};

enum Sync : uint32_t { kMsAsync = 1, kMsInvalidate = 2, kMsSync = 4 };  // msync

// fallocate.
enum Falloc : uint32_t {
  kFallocKeepSize = 0x01,
  kFallocPunchHole = 0x02,
  kFallocZeroRange = 0x10,
};

// prctl(PR_SET_THP_DISABLE), Linux 6.18: but for areas advised to have huge pages.
inline constexpr uint32_t kThpDisableExceptAdvised = 2;

// SIGCHLD, in the low byte of clone's flags: what a child's end tells its parent.
inline constexpr uint64_t kSignalChild = 17;

enum Clone : uint64_t { kCloneVm = 0x100, kCloneVfork = 0x4000, kCloneThread = 0x10000 };

// Negated, these are results.
enum ErrorNumber : int64_t {
  kEPERM = 1,
  kESRCH = 3,
  kEBADF = 9,
  kECHILD = 10,
  kEAGAIN = 11,
  kENOMEM = 12,
  kEACCES = 13,
  kEFAULT = 14,
  kEBUSY = 16,
  kEEXIST = 17,
  kEINVAL = 22,
  kEFBIG = 27,
  kENOSPC = 28,
  kEOVERFLOW = 75,
  kEOPNOTSUPP = 95,
};

// Whether a system call's result says that it failed: it is an error's number, negated
// (include/linux/err.h, MAX_ERRNO).
constexpr bool failed(int64_t result) {
  return result < 0 && result >= -4095;
}

}  // namespace mmusim::abi

#endif  // MMUSIM_BASE_LINUX_ABI_H_
