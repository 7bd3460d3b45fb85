// The records of DynamoRIO's drmemtrace traces: what the numbers mean.
//
// A trace is a run of records of 12 bytes, or of 8 in traces of 32-bit programs: type (16 bits),
// size (16 bits), value (as wide as an address), all little-endian. What an instruction accesses
// follows it. Source: DynamoRIO, clients/drcachesim/common/trace_entry.h of August 2026 (versions 1
// to 7 of the format); how they are read, clients/drcachesim/reader.
#ifndef MMUSIM_TRACE_IMPORT_DRMEMTRACE_FORMAT_H_
#define MMUSIM_TRACE_IMPORT_DRMEMTRACE_FORMAT_H_

#include <cstddef>
#include <cstdint>
#include <cstring>

namespace mmusim::trace::drmemtrace {

struct Record {
  uint16_t type = 0;
  uint16_t size = 0;   // bytes accessed or fetched; of a marker its kind
  uint64_t value = 0;  // address, process or thread id, or a marker's value
};

// Address is uint64_t, or uint32_t in traces of 32-bit programs.
template <class Address>
inline constexpr size_t kRecordBytes = 4 + sizeof(Address);

template <class Address>
inline Record load_record(const char* at) {
  Record record;
  Address value = 0;
  std::memcpy(&record.type, at, 2);
  std::memcpy(&record.size, at + 2, 2);
  std::memcpy(&value, at + 4, sizeof value);
  record.value = value;
  return record;
}

inline constexpr uint64_t kNewestVersion = 7;

enum Type : uint16_t {
  kRead = 0,
  kWrite = 1,
  kPrefetch = 2,  // to kPrefetchInstr: software prefetches
  kPrefetchInstr = 9,
  kInstr = 10,  // to kInstrReturn: an instruction, by what kind of branch it is
  kInstrDirectJump = 11,
  kInstrIndirectJump = 12,
  kInstrConditionalJump = 13,
  kInstrDirectCall = 14,
  kInstrIndirectCall = 15,
  kInstrReturn = 16,
  kInstrBundle = 17,  // `size` instructions that follow the last; the value's bytes: their lengths
  kInstrFlush = 18,
  kInstrFlushEnd = 19,
  kDataFlush = 20,
  kDataFlushEnd = 21,
  kThread = 22,  // what follows is this thread's
  kThreadExit = 23,
  kPid = 24,  // the thread's process
  kHeader = 25,
  kFooter = 26,
  kHardwarePrefetch = 27,
  kMarker = 28,
  kInstrNoFetch = 29,     // one more round of a string instruction
  kInstrMaybeFetch = 30,  // that, or its first round
  kInstrSysenter = 31,
  kPrefetchReadL1Nt = 32,  // to kPrefetchWriteL3Nt: software prefetches
  kPrefetchWriteL3Nt = 46,
  kEncoding = 47,  // bytes of the instruction that follows
  kInstrTakenJump = 48,
  kInstrUntakenJump = 49,
  kTypes = 50
};

enum Marker : uint16_t {
  kKernelEvent = 0,  // a signal handler, or the like, begins; value: where the program was
  kKernelXfer = 1,   // a system call that goes elsewhere: the return from a handler
  kTimestamp = 2,    // microseconds
  kCpuId = 3,        // the low 12 bits
  kFuncId = 4,
  kFuncReturnAddress = 5,
  kFuncArg = 6,
  kFuncRetval = 7,
  kFileType = 9,
  kCacheLineSize = 10,
  kInstructionCount = 11,
  kVersion = 12,
  kRseqAbort = 13,
  kWindowId = 14,
  kPhysicalAddress = 15,
  kPhysicalAddressUnknown = 16,
  kVirtualAddress = 17,
  kPageSize = 18,
  kChunkInstrCount = 20,
  kChunkFooter = 21,  // what it repeats of time and CPU follows
  kRecordOrdinal = 22,
  kFilterEndpoint = 23,
  kRseqEntry = 24,
  kSyscall = 25,
  kMaybeBlockingSyscall = 26,
  kSyscallTraceStart = 27,
  kSyscallTraceEnd = 28,
  kBranchTarget = 29,
  kSyscallFailed = 30,
  kCoreWait = 32,
  kCoreIdle = 33,
  kContextSwitchStart = 34,
  kContextSwitchEnd = 35,
  kVectorLength = 36,
  kSignalNumber = 40,
  kUncompletedInstruction = 41,
  kHardwareEvent = 43,
  kSkippedMemref = 46,
  kMarkers = 47
};

// Bits of a kFileType marker's value.
enum FileType : uint64_t {
  kFiltered = 0x01,
  kInstructionOnly = 0x04,
  kArchAarch64 = 0x08,
  kArchArm32 = 0x10,
  kArchX86_32 = 0x20,
  kArchX86_64 = 0x40,
  kIFiltered = 0x80,
  kDFiltered = 0x100,
  kSyscallNumbers = 0x400,
  kTraceTemplates = 0x4000,
  kCoreSharded = 0x10000,
  kArchRegdeps = 0x20000,
  kWholeSystem = 0x40000
};

// What a kFuncId marker of a system call has above its number.
template <class Address>
inline constexpr uint64_t kSyscallBase = sizeof(Address) == 8 ? 0x1'0000'0000 : 0x1'0000;

}  // namespace mmusim::trace::drmemtrace

#endif  // MMUSIM_TRACE_IMPORT_DRMEMTRACE_FORMAT_H_
