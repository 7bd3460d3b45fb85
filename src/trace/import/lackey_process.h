// What one process did, as the system call lines of its lackey logs tell: which thread runs, which
// memory events happened, what its file descriptors name.
//
// Fed line by line with everything that is not a reference line. Holds no input and writes no
// output: the caller (lackey_import.h) acts on the effects. Not thread-safe; copyable through
// child() only.
//
// Threads. Valgrind runs one thread at a time and numbers threads itself, from 1, reusing numbers;
// the kernel's ids show only as results of clone. The n-th number never seen before is taken for
// the n-th thread created and not yet seen. Which thread a *reference* belongs to is nowhere said;
// it is taken to be the thread of the last call line, unless that thread has begun to wait or left
// its line without a newline: then the new thread if the call made one, else the thread, among
// those not waiting, that ran last.
#ifndef MMUSIM_TRACE_IMPORT_LACKEY_PROCESS_H_
#define MMUSIM_TRACE_IMPORT_LACKEY_PROCESS_H_

#include <deque>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "trace/import/lackey_syscall.h"
#include "trace/record.h"

namespace mmusim::trace::lackey {

// Something a line did.
struct Effect {
  enum class Then : uint8_t {
    Nothing,     // only the event
    Birth,       // `child` begins to run; with `vfork` the caller stops until it execs or ends
    Reaped,      // the event is a WaitEvent and comes only when `child` has ended
    ReapedSome,  // as Reaped, for whichever child ended: event.child is to be filled in
  };
  ThreadId thread;
  Event event;
  Then then = Then::Nothing;
  Pid child;
  bool vfork = false;
};

inline constexpr int32_t kStatusKilled = 9;  // as wait4 gives it: SIGKILL

inline constexpr size_t kMaxThreads = 32768;  // of one process

// The words of a "Command:" line; Valgrind puts a backslash before spaces that are part of a word.
std::vector<std::string> split_command(std::string_view command);

class Process {
 public:
  explicit Process(Pid pid) : pid_(pid) { forget_threads(); }

  // The same process just after fork, in the child.
  [[nodiscard]] Process child(Pid pid) const;

  // A log begins whose program is a new one: the effect is an ExecEvent.
  void exec(const std::string& command, std::vector<Effect>& effects);

  // The text at the start of `text`, which begins a line or is glued behind a result and runs to
  // the end of the line, with its newline if it had one. Returns how many bytes were used (all, or
  // up to what is glued behind); 0 if it was not understood, with the reason in complaint().
  size_t line(std::string_view text, std::vector<Effect>& effects);

  // Valgrind may begin to say something anywhere in a line of its own, which goes on behind the
  // message's last line. Where the message in `text` begins, if what is before it is no whole line
  // and must be put before the rest; npos: there is none, or line() knows what to do.
  [[nodiscard]] size_t cut_by_message(std::string_view text) const;
  // Whether all of `text` is a message.
  [[nodiscard]] static bool is_message(std::string_view text);
  [[nodiscard]] const char* complaint() const { return complaint_; }

  // References were read, the last instruction at `address`: what comes later is not the start of
  // the log, and a call that comes next was made there.
  void past_references(uint64_t address) {
    log_start_ = false;
    last_instruction_ = address;
  }

  // A signal that comes while a call waits takes the call's result out of the log: it is never
  // printed. Whether the call was done or begins anew shows when the handler has returned, by the
  // next instruction. True: that is now, and decide() wants its address (0: there is none).
  [[nodiscard]] bool undecided() const { return returned_.has_value(); }
  void decide(uint64_t address, std::vector<Effect>& effects);

  [[nodiscard]] ThreadId running() const { return {pid_, running_}; }

  // At the end of a log: a successful execve leaves its line unfinished.
  [[nodiscard]] bool in_execve() const;
  // The log is at its end: a call without a result may still have had one.
  void close();
  // The status with which the process ended, if the log said so.
  [[nodiscard]] const std::optional<int32_t>& ended() const { return ended_; }

 private:
  struct Pending {  // a call that began to wait, its result not printed yet
    Call call;
    uint64_t number = 0;
    uint64_t at = 0;  // address of the system call instruction
  };
  struct Thread {
    bool waiting = false;
    uint64_t ran = 0;              // larger: more recently
    std::vector<Pending> pending;  // of a signal handler's calls the last
  };
  struct OpenCall {  // begun, and its result is not printed yet
    Tid tid;
    uint64_t number = 0;
    std::string text;
    bool cut = false;  // a message came where it ended, it may go on with anything
  };
  struct File {
    std::shared_ptr<const std::string> path;
    bool close_on_exec = false;
  };

  size_t message(std::string_view text);
  [[nodiscard]] bool begins_other_log(std::string_view text) const;
  [[nodiscard]] size_t message_begin(std::string_view text, size_t from) const;
  [[nodiscard]] size_t cut_in_call(std::string_view text) const;
  [[nodiscard]] bool continues_call(std::string_view text) const;
  size_t call_line(std::string_view text, std::vector<Effect>& effects);
  size_t call_text(std::string_view text, std::vector<Effect>& effects);
  bool settle(Tid tid, uint64_t number, const Call& call, const CallResult& result,
              std::vector<Effect>& effects);
  size_t finish_line(Tid tid, const Call& call, std::string_view text, size_t at);
  size_t refuse(const char* why);
  std::optional<Tid> thread_numbered(uint32_t number);
  void run(Tid tid);
  void run_another(Tid than);
  void forget_threads();

  // What a call with a result means (lackey_events.cc).
  enum class Reading : uint8_t { Done, Other, Wrong };
  Reading memory_event(const Call& call, const CallResult& result, Event& event) const;
  // Those of lackey_memory.cc.
  Reading other_memory_event(const Call& call, const CallResult& result, Event& event) const;
  Reading process_event(Tid tid, uint64_t number, const Call& call, const CallResult& result,
                        std::vector<Effect>& effects);
  Reading clone_event(Tid tid, uint64_t flags, const Call& call, const CallResult& result,
                      std::vector<Effect>& effects);
  void lost_result(Tid tid, const Pending& pending, std::vector<Effect>& effects);
  void file_call(const Call& call, const CallResult& result);
  void open_file(uint64_t fd, std::string path, bool close_on_exec);
  void duplicate_file(uint64_t from, uint64_t to, bool close_on_exec);
  [[nodiscard]] std::string path_of(uint64_t fd) const;

  Pid pid_;
  Tid running_;
  std::map<Tid, Thread> threads_;
  std::map<uint32_t, Tid> numbered_;  // Valgrind's thread numbers
  std::deque<Tid> unseen_;            // created, their numbers not yet known
  bool main_seen_ = false;
  uint64_t clock_ = 0;
  std::optional<OpenCall> open_;
  std::vector<Tid> half_lines_;  // threads whose result still lacks its newline
  bool log_start_ = true;
  uint64_t last_instruction_ = 0;
  std::optional<Tid> returned_;  // from a signal handler into a call that waited
  std::map<uint64_t, File> files_;
  std::optional<int32_t> ended_;
  const char* complaint_ = "";
};

}  // namespace mmusim::trace::lackey

#endif  // MMUSIM_TRACE_IMPORT_LACKEY_PROCESS_H_
