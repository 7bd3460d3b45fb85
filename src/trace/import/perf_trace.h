// What `perf trace` prints, as a trace: system calls as events, page faults as references.
//
// perf names threads and not their processes: a thread is of the process whose clone made it, or,
// where that was not seen, a process of its own.
//
// Memory: the threads that live, at most as many as Linux can have. Not thread-safe.
#ifndef MMUSIM_TRACE_IMPORT_PERF_TRACE_H_
#define MMUSIM_TRACE_IMPORT_PERF_TRACE_H_

#include <cstdint>
#include <deque>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "trace/import/perf_trace_line.h"
#include "trace/import/reference_stream.h"
#include "trace/remark.h"

namespace mmusim::trace::perf {

class TraceImport {
 public:
  // Page faults are accesses of `access_bytes`.
  TraceImport(ReferenceStream& stream, unsigned access_bytes)
      : stream_(stream), access_bytes_(access_bytes) {}

  // What is wrong with the line, null if nothing is.
  const char* line(const TraceLine& line);
  void add_remarks(std::vector<Remark>& remarks) const;
  [[nodiscard]] uint64_t faults() const { return faults_; }

 private:
  // The thread that lives under a number.
  struct Task {
    uint32_t pid = 0;
    bool born = false;     // its fork was written, or it was there from the begin
    bool loading = false;  // no call of its own was seen: it may be in an exec
    std::optional<uint32_t> parent{};
    bool awaited = false;   // its parent's return is still to come, and may correct `parent`
    std::string made_by{};  // the call that makes it, while it is not born
    std::optional<std::string> in{};  // the call that it is in
    TraceArguments arguments{};       // of that
  };
  struct Process {
    uint32_t threads = 0;
    bool ended = false;
    int32_t status = 0;
  };

  const char* fault(uint32_t tid, const TraceLine& line);
  const char* begun(uint32_t tid, const TraceLine& line);
  const char* finished(uint32_t tid, const TraceLine& line);
  const char* memory_call(uint32_t tid, const Task& task, const TraceArguments& arguments,
                          int64_t result);
  void exit(uint32_t tid, const TraceArguments& arguments, bool whole_process);
  void made(uint32_t parent, std::string_view name, const TraceArguments& arguments, int64_t child);
  void waited(uint32_t tid, const TraceArguments& arguments, int64_t child);
  // The task, which is there from now on.
  Task& task(uint32_t tid);
  // It does something, `call` or a fault, so it must be born.
  void bear(uint32_t tid, Task& task, std::string_view call);
  void emit(uint32_t tid, const Event& event);
  void emit(uint32_t tid, const Task& task, const Event& event);

  ReferenceStream& stream_;
  unsigned access_bytes_;
  std::unordered_map<uint32_t, Task> tasks_;
  std::unordered_map<uint32_t, Process> processes_;
  std::deque<uint32_t> makers_;  // threads in a call that makes one, the last ones
  uint64_t faults_ = 0;
  uint64_t faults_in_files_ = 0;
  uint64_t faults_loading_ = 0;
  uint64_t calls_without_ = 0;
  uint64_t guessed_ = 0;
  uint64_t orphans_ = 0;
  uint64_t killed_ = 0;
  uint64_t unknown_flags_ = 0;
  uint64_t after_end_ = 0;
  uint64_t lost_ = 0;
  uint64_t others_ = 0;
};

}  // namespace mmusim::trace::perf

#endif  // MMUSIM_TRACE_IMPORT_PERF_TRACE_H_
