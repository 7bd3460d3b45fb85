// References of formats that tell them one by one, on their way into a trace: keeps to the writer's
// contract, and supplies what such formats do not tell.
//
// A data access belongs to the instruction before it. Where there is none, the thread's last
// instruction is executed again, or one is assumed if it had none; both are counted. Memory: a
// table of fixed size, in which of very many threads some may be forgotten. Not thread-safe.
#ifndef MMUSIM_TRACE_IMPORT_REFERENCE_STREAM_H_
#define MMUSIM_TRACE_IMPORT_REFERENCE_STREAM_H_

#include <array>
#include <string>
#include <vector>

#include "trace/remark.h"
#include "trace/writer.h"

namespace mmusim::trace {

// From there to the end of its cache line: the most that an access is taken to have of which only
// the address is told.
constexpr unsigned bytes_in_line(uint64_t address) {
  constexpr unsigned kLine = 64;
  return kLine - address % kLine;
}

class ReferenceStream {
 public:
  static constexpr uint64_t kMostBytes = uint64_t{16} << 20;  // of one access

  // An assumed instruction lies at `code` and has `code_bytes`.
  ReferenceStream(Writer& writer, uint64_t code, unsigned code_bytes)
      : writer_(writer), assumed_{ThreadId{}, code, code_bytes} {}

  // The thread whose records follow.
  void thread(ThreadId thread) {
    if (thread == thread_ && has_thread_) [[likely]]
      return;
    switch_to(thread);
  }

  // What is wrong with it, null if nothing is. REQUIRES: thread() was called.
  const char* instruction(uint64_t address, uint64_t bytes) {
    if (bytes - 1 >= kMaxInstructionBytes) return "an instruction has 1 to 32 bytes";
    if (address + (bytes - 1) < address) return kWraps;
    last_ = {thread_, address, static_cast<unsigned>(bytes)};
    has_instruction_ = true;
    writer_.instruction(VirtAddr(address), last_.bytes);
    return nullptr;
  }
  const char* access(AccessKind kind, uint64_t address, uint64_t bytes) {
    if (bytes - 1 >= kMaxAccessBytes || address + (bytes - 1) < address) [[unlikely]]
      return odd_access(kind, address, bytes);
    if (!has_instruction_) [[unlikely]]
      supply_instruction();
    writer_.access(kind, VirtAddr(address), static_cast<unsigned>(bytes));
    return nullptr;
  }
  void event(const Event& event) {
    writer_.event(event);
    has_instruction_ = false;
  }

  // Whether anything was.
  [[nodiscard]] bool used() const { return has_thread_; }
  // What was assumed.
  void add_remarks(std::vector<Remark>& remarks) const;

 private:
  struct Instruction {
    ThreadId thread{};
    uint64_t address = 0;
    unsigned bytes = 0;  // 0: there is none
  };
  static constexpr const char* kWraps = "it wraps around the end of the address space";
  static constexpr size_t kThreads = 4096;

  void switch_to(ThreadId thread);
  void supply_instruction();
  const char* odd_access(AccessKind kind, uint64_t address, uint64_t bytes);
  Instruction& slot(ThreadId thread) {
    return last_of_[(thread.pid.value() * 31u + thread.tid.value()) % kThreads];
  }

  Writer& writer_;
  Instruction assumed_;
  ThreadId thread_{};
  bool has_thread_ = false;
  bool has_instruction_ = false;
  Instruction last_;  // of this thread
  std::vector<Instruction> last_of_ = std::vector<Instruction>(kThreads);
  uint64_t assumed_count_ = 0;
  uint64_t repeated_ = 0;
  uint64_t split_ = 0;
};

}  // namespace mmusim::trace

#endif  // MMUSIM_TRACE_IMPORT_REFERENCE_STREAM_H_
