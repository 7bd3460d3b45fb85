// The template of drmemtrace_import.h, which says what it does and is what to include: its class.
#ifndef MMUSIM_TRACE_IMPORT_DRMEMTRACE_IMPORT_CLASS_H_
#define MMUSIM_TRACE_IMPORT_DRMEMTRACE_IMPORT_CLASS_H_

#include <algorithm>
#include <array>
#include <deque>
#include <fmt/format.h>
#include <map>
#include <memory>
#include <optional>
#include <queue>
#include <string>
#include <tuple>
#include <unordered_map>
#include <utility>
#include <vector>

#include "base/error.h"
#include "base/interrupt.h"
#include "config/keys.h"
#include "trace/import/drmemtrace_calls.h"
#include "trace/import/drmemtrace_files.h"
#include "trace/import/drmemtrace_format.h"
#include "trace/importer.h"

namespace mmusim::trace::drmemtrace {

struct Chosen {
  std::string isa = "told";  // or one that isa_named() knows
  static const config::Keys<Chosen>& keys();
};
struct Options : ImportOptions, Chosen {};

// What was left out, taken for granted or not told, by what a remark says of it.
enum class Note : uint8_t {
  Rounds,
  Prefetches,
  Flushes,
  KernelInstructions,
  KernelAccesses,
  EmptyAccesses,
  EarlyAccesses,
  AssumedFetches,
  RepeatedFetches,
  TagsTakenOff,
  Uncompleted,
  Masked,
  Handlers,
  CallsByName,
  ResultsUnknown,
  ThreadsFound,
  ProcessesFound,
  Revived,
  ThreadsWithout,
  TimesBack,
  Functions,
  Encodings,
  BranchTargets,
  PhysicalAddresses,
  Idle,
  OtherMarkers,
  SegmentsPlaced,
  MappingsNamed,
  SegmentsLeftOut,
  FilesLeftOut,
  Count
};
const char* text_of(Note note);
// Of the kinds of markers that are only counted.
Note note_of_marker(unsigned kind);

// The ISA that the file types name, if one.
std::optional<Isa> isa_of(uint64_t file_types);

template <class Sink>
class Import {
 public:
  Import(Recording recording, Isa isa, Sink& sink, const Options& options);

  // The result lacks the totals, which the sink knows.
  ImportResult run();

  // Records read, by type; the last: of unknown types.
  [[nodiscard]] const std::array<uint64_t, kTypes + 1>& records() const { return records_; }

 private:
  static constexpr size_t kMaxOpenFiles = 200;
  static constexpr size_t kMostMakers = 4096;
  static constexpr size_t kMostThreads = 1'000'000;  // and processes

  struct Thread {
    ThreadId id{};
    uint64_t raw_tid = 0;
    bool has_process = false;
    bool begun = false;      // the sink has been told of it, and not of its end
    bool in_kernel = false;  // between the marks of a system call's or a switch's code
    size_t image = 0;
    uint64_t pc = 0;       // of its last instruction
    unsigned length = 0;   // ... 0: there was none, or
    bool pc_only = false;  // only where it is was said
    std::optional<uint32_t> cpu;
    bool cpu_is_news = false;
    Call call;
    bool in_call = false;
    bool in_function = false;  // the function markers are of no system call
    int32_t status = 0;
  };
  struct Ending {
    ThreadId thread;
    int32_t status = 0;
  };
  struct Process {
    // Its last thread ended while files of it had not begun: told once another thread has.
    std::optional<Ending> lingering;
    bool begun = false;
    bool ended = false;
    size_t image = 0;
    uint64_t live = 0;     // threads
    uint64_t waiting = 0;  // files that have not begun
    int32_t status = 0;
    std::vector<bool> mapped;  // segments of the image's files, by what the sink was told
  };
  struct Stream {
    Input input;
    Thread* thread = nullptr;
    uint64_t time = 0;
    uint64_t cpu = UINT64_MAX;  // of that time; not told
    uint64_t done = 0;          // stored bytes that progress knows of
    bool begun = false;
    bool repeated_time = false;  // time and CPU that follow were said before
    uint16_t last_type = kHeader;
  };
  // A thread in a call that makes another, which has not shown itself.
  struct Maker {
    Thread* thread;
    CallKind kind;
    std::optional<uint64_t> flags;
    std::optional<uint64_t> child;
  };

  void plan(Recording& recording);
  bool segment(Stream& stream);
  template <class Address>
  bool segment_of(Stream& stream);
  bool refill(Stream& stream);
  void ended(Stream& stream, const RecordBuffer& records);

  void instruction(const Stream& stream, const Record& record, const char* at);
  void fetch(const Stream& stream, const Record& record, const char* at);
  void odd_instruction(const Stream& stream, const Record& record, const char* at);
  void access(const Stream& stream, const Record& record, const char* at);
  bool state_instruction(const Stream& stream, const char* at);
  template <class Address>
  void bundle(const Stream& stream, const Record& record, const char* at);
  void no_fetch(const Stream& stream, const Record& record, const char* at);
  // What is not an instruction or access; true: another file's turn may be next.
  template <class Address>
  bool other(Stream& stream, const Record& record, const char* at);
  template <class Address>
  bool marker(Stream& stream, const Record& record);
  template <class Address>
  bool time_stamp(Stream& stream, uint64_t value);
  template <class Address>
  void cpu(uint64_t value);
  void point(const std::string& text);

  // Threads and calls (drmemtrace_threads_impl.h).
  void turn_to(Thread* thread);
  Thread& thread_of(uint64_t raw_tid);
  uint32_t number_of(uint64_t raw);
  void set_process(const Stream& stream, uint64_t raw_pid, const char* at);
  bool make_ready(const Stream& stream, const char* at);
  void become(Thread& thread);
  void begin(Thread& thread);
  void begin_program(Thread& thread, Process& process);
  void begin_thread(Thread& thread, Process& process);
  bool begin_by_maker(Thread& thread, bool new_process);
  void fork(ThreadId parent, const ForkEvent& event);
  void end_thread(Thread& thread);
  void end_lingering(Process& process, bool whole_process);
  void emit(Thread& thread, const Event& event);
  void open_call(Thread& thread, uint64_t number);
  void give_up_call(Thread& thread);
  template <class Address>
  void function_marker(const Record& record);
  void argument(Thread& thread, uint64_t value);
  void finish_call(Thread& thread, int64_t result);
  void finish_memory_call(Thread& thread, int64_t result);

  // Files (drmemtrace_threads_impl.h).
  void enter(uint64_t address);
  void forget_range() { range_begin_ = range_bytes_ = 0; }
  void inherit(const Process& parent, Process& child);
  void note_mapping(Process& process, Event& event);

  void refuse(const Stream& stream, const char* at, const std::string& what);
  void note(Note what, uint64_t count = 1) { notes_[static_cast<size_t>(what)] += count; }
  void warn(const std::string& text) {
    if (result_.warnings.size() < 20) result_.warnings.push_back(text);
  }

  std::deque<Stream> streams_;
  std::vector<std::string> programs_;
  std::vector<Modules> modules_;  // by image
  Isa isa_;
  Sink& sink_;
  const Options& options_;
  uint64_t highest_;       // address of an instruction that needs no closer look
  uint64_t tag_;           // bits of an address the ISA does not translate
  unsigned least_length_;  // of an instruction
  bool whole_system_;

  std::unordered_map<uint64_t, Thread> threads_;         // by id as the records have it
  std::unordered_map<uint64_t, uint32_t> long_numbers_;  // ids that need more than 32 bits
  std::map<Pid, Process> processes_;
  std::map<uint64_t, uint64_t> waiting_threads_;  // files that have not begun, by thread
  std::deque<Maker> makers_;
  size_t open_files_ = 0;
  uint64_t latest_ = 0;  // time stamp
  uint64_t window_ = 0;
  bool bare_results_ = false;  // results of calls are 1 or 0: it worked, or not

  Thread* thread_ = nullptr;       // whose records come
  Thread* told_ = nullptr;         // whom the sink was told last
  bool ready_ = false;             // the sink knows the thread, and takes its instructions
  bool have_instruction_ = false;  // ... and its accesses
  // Where instructions of the process it was told last need no look at their file.
  uint64_t range_begin_ = 0;
  uint64_t range_bytes_ = 0;

  std::array<uint64_t, kTypes + 1> records_{};
  std::array<uint64_t, static_cast<size_t>(Note::Count)> notes_{};
  ImportResult result_;
  uint64_t stored_total_ = 0;
  uint64_t stored_done_ = 0;
};

}  // namespace mmusim::trace::drmemtrace

#endif  // MMUSIM_TRACE_IMPORT_DRMEMTRACE_IMPORT_CLASS_H_
