// Writes drmemtrace files for tests, record by record.
#ifndef MMUSIM_TESTS_UNIT_TRACE_IMPORT_DRMEMTRACE_WRITER_H_
#define MMUSIM_TESTS_UNIT_TRACE_IMPORT_DRMEMTRACE_WRITER_H_

#include <cstring>
#include <initializer_list>
#include <string>

#include "trace/import/drmemtrace_format.h"

namespace mmusim::trace::drmemtrace {

template <class Address>
class BasicFile {
 public:
  static constexpr uint64_t kArch = sizeof(Address) == 8 ? kArchX86_64 : kArchX86_32;

  // The usual beginning of a thread's file; `type`: bits of FileType.
  static BasicFile of(uint64_t pid, uint64_t tid, uint64_t type = kArch) {
    BasicFile file;
    file.header(kNewestVersion).mark(kVersion, kNewestVersion).mark(kFileType, type);
    file.thread(tid).process(pid).mark(kCacheLineSize, 64).mark(kPageSize, 4096);
    return file;
  }

  BasicFile& add(unsigned type, unsigned size, uint64_t value) {
    const auto type16 = static_cast<uint16_t>(type);
    const auto size16 = static_cast<uint16_t>(size);
    const auto narrow = static_cast<Address>(value);
    text.append(reinterpret_cast<const char*>(&type16), 2);
    text.append(reinterpret_cast<const char*>(&size16), 2);
    text.append(reinterpret_cast<const char*>(&narrow), sizeof narrow);
    ++records;
    return *this;
  }
  BasicFile& header(uint64_t version) { return add(kHeader, 0, version); }
  BasicFile& footer() { return add(kFooter, 0, 0); }
  BasicFile& thread(uint64_t tid) { return add(kThread, 4, tid); }
  BasicFile& process(uint64_t pid) { return add(kPid, 4, pid); }
  BasicFile& exit(uint64_t tid) { return add(kThreadExit, 4, tid); }
  BasicFile& mark(unsigned kind, uint64_t value) { return add(kMarker, kind, value); }
  BasicFile& time(uint64_t value) { return mark(kTimestamp, value); }
  BasicFile& instr(uint64_t pc, unsigned bytes, unsigned type = kInstr) {
    return add(type, bytes, pc);
  }
  BasicFile& read(uint64_t address, unsigned bytes) { return add(kRead, bytes, address); }
  BasicFile& write(uint64_t address, unsigned bytes) { return add(kWrite, bytes, address); }
  // A system call with what -record_syscall keeps of it.
  BasicFile& call(uint64_t number, std::initializer_list<uint64_t> arguments, uint64_t result) {
    begin_call(number, arguments);
    return end_call(number, result);
  }
  BasicFile& begin_call(uint64_t number, std::initializer_list<uint64_t> arguments) {
    mark(kSyscall, number).mark(kFuncId, kSyscallBase<Address> + number);
    for (const uint64_t argument : arguments)
      mark(kFuncArg, argument);
    return *this;
  }
  BasicFile& end_call(uint64_t number, uint64_t result) {
    return mark(kFuncId, kSyscallBase<Address> + number).mark(kFuncRetval, result);
  }

  std::string text;
  uint64_t records = 0;
};

using File = BasicFile<uint64_t>;
using File32 = BasicFile<uint32_t>;

}  // namespace mmusim::trace::drmemtrace

#endif  // MMUSIM_TESTS_UNIT_TRACE_IMPORT_DRMEMTRACE_WRITER_H_
