// A miss path as the machine runs it: a sequence of named steps, each with the instructions it
// takes and the memory references it makes.
//
// An architecture lists its steps once (a constant array of Step, numbered by an enum). Taking one
// counts it and its instructions; loads and stores are reported to the reference sink where they
// are made, so that a path's cost is what it did, not what a table says. A step of hardware has no
// instructions and its references are the walker's; a step of a software handler has code, at
// addresses of its own, whose fetches are references too (Origin::HandlerCode).
//
// A miss path may end in the kernel's page-fault code. Steps that are only taken on the way there
// and back are a page fault's, not a TLB miss's, and counted apart; the last of them has the same
// name on every architecture, page_fault, and is taken once for each fault.
//
// A Narrator is told everything as it happens (mmusim explain): each step, each reference with its
// addresses and what was read, and remarks. Without one a step costs an increment. Not thread-safe.
#ifndef MMUSIM_MMU_MISS_PATH_H_
#define MMUSIM_MMU_MISS_PATH_H_

#include <array>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "base/types.h"
#include "base/word_text.h"
#include "mem/frames.h"
#include "mem/sink.h"
#include "pt/page_table.h"
#include "stats/report.h"

namespace mmusim::mmu {

struct Step {
  const char* name;       // in counters: path.<name>; letters, digits, '_' and '.'
  const char* what;       // a line for people
  unsigned instructions;  // executed each time; 0: hardware
  bool trap = false;      // the processor takes an interruption to get here
  bool fault = false;     // of a page fault's entry into the kernel, and of the way back
  // Instructions its code has, where its longest path is longer than `instructions`: what
  // more_instructions() adds up to there is fetched, what it adds beyond is a loop's.
  unsigned code = 0;
  bool enters_kernel = false;  // is page_fault()
};
// The step into the kernel's page-fault code; its name is the same on every architecture.
constexpr Step page_fault(const char* what, unsigned instructions, bool trap, unsigned code = 0) {
  return {"page_fault", what, instructions, trap, true, code, true};
}

// One reference as a Narrator hears of it.
struct Seen {
  mem::Origin origin = mem::Origin::Handler;
  bool write = false;
  PhysAddr address;
  std::optional<VirtAddr> through =
      std::nullopt;  // the virtual address it was made by; none: physical
  unsigned bytes = 8;
  const char* what = "";                 // "PGD entry", "VHPT tag", ...
  std::span<const uint64_t> words = {};  // read, or written: of 4 bytes or 8, or several of 8
  std::string decoded = {};              // their fields, where who keeps them says
  std::optional<mem::Place> served = std::nullopt;  // by which cache; none where none are simulated
  bool beside = false;                              // made at the same time as the one told before
};

class Narrator {
 public:
  virtual ~Narrator() = default;
  virtual void step(const Step& step) = 0;
  // The step just told took so many more instructions: what a loop in it did.
  virtual void more_instructions(uint64_t instructions) = 0;
  // A step told before goes on: those told since were within it.
  virtual void resume(const Step& step) = 0;
  virtual void reference(const Seen& seen) = 0;
  virtual void remark(const std::string& text) = 0;
};

// How an architecture's handler code lies in memory.
struct HandlerCode {
  PhysAddr base;                       // of the first step's
  unsigned bytes_per_instruction = 4;  // IA-64: 16 bytes hold 3
  unsigned instructions_per_unit = 1;
};

// For handlers that run with translation on: asked before each step and each reference of theirs,
// so that these find in the TLBs, or put there, what they need.
class HandlerView {
 public:
  virtual ~HandlerView() = default;
  // Step `number` runs `bytes` of code from `code` on.
  virtual void fetch(unsigned number, PhysAddr code, uint64_t bytes) = 0;
  // The virtual address a handler reads or writes `address` by.
  virtual VirtAddr reach(PhysAddr address) = 0;
};

class MissPath {
 public:
  // All must outlive it.
  MissPath(std::span<const Step> steps, mem::FrameMemory& frames, mem::ReferenceSink& sink,
           const HandlerCode& code);

  void step(unsigned number) {
    ++taken_[number];
    if (handlers_watched_) [[unlikely]]
      show_step(number);
  }
  // The same of a step of hardware, which has no code. kWatched: the path may be.
  template <bool kWatched = true>
  void hardware_step(unsigned number) {
    ++taken_[number];
    if (kWatched && watched_) [[unlikely]]
      show_step(number);
  }
  // `times` more instructions of the step, for loops within it.
  void more_instructions(unsigned number, uint64_t instructions) {
    extra_[number] += instructions;
    if (handlers_watched_) [[unlikely]]
      show_more(number, instructions);
  }

  // What a reference is, beside where.
  struct Access {
    mem::Origin origin = mem::Origin::Handler;
    uint8_t level = 0;
    bool dependent = true;
    std::optional<VirtAddr> through = std::nullopt;
    const WordKind* what = nullptr;
    bool beside = false;
  };
  // Reads or writes a word of 8 bytes of table memory. REQUIRES: the frame has contents.
  [[gnu::always_inline]] uint64_t load(PhysAddr address, Access access) {
    const uint64_t value = *frames_->words(address);
    touch(address, sizeof value, false, value, access);
    return value;
  }
  [[gnu::always_inline]] void store(PhysAddr address, uint64_t value, Access access) {
    *frames_->words(address) = value;
    touch(address, sizeof value, true, value, access);
  }
  // Reports a reference made by other means, within a line, to one word or more. Inline, and what
  // it is handed over by value, so that it need not be put together where it is only counted, and
  // a handler's viewed: nobody listens, there are no caches, it is not made beside another one, and
  // not the kernel's, for whom others may act.
  [[gnu::always_inline]] void touch(PhysAddr address, unsigned bytes, bool write,
                                    std::span<const uint64_t> words, Access access) {
    if (only_counts(access)) [[likely]]
      count(address, write, access);
    else
      report(address, bytes, write, words, access);
  }
  [[gnu::always_inline]] void touch(PhysAddr address, unsigned bytes, bool write, uint64_t value,
                                    Access access) {
    if (only_counts(access)) [[likely]]
      count(address, write, access);
    else
      report_word(address, bytes, write, value, access);
  }

  // touch(), for hardware that makes many references of one kind: whether one is more than counted;
  // else its count, of reads not beside another one.
  [[nodiscard]] bool watched() const { return watched_; }
  [[nodiscard]] uint64_t& count_of_loads(mem::Origin origin, unsigned level) {
    return sink_->plain_count(origin, level, false);
  }

  // The kernel's page table, walked by a handler: every word the backend reads is a load of the
  // handler's, with the instructions the backend says a word takes, counted for step `number`. The
  // words are in `path` then; a Narrator hears what the page table says they mean.
  pt::Lookup walk(const pt::PageTable& table, VirtAddr va, unsigned number, pt::WalkPath& path);
  // The same of a walk that has just been made, without reports.
  void report_walk(const pt::PageTable& table, VirtAddr va, unsigned number,
                   const pt::WalkPath& path);
  pt::Lookup walk(const pt::PageTable& table, VirtAddr va, unsigned number) {
    pt::WalkPath path;
    return walk(table, va, number, path);
  }
  // A handler changes the entry its walk found, of which `word` was the last that it read. What the
  // page table reads and writes for that is the handler's; a Narrator is shown one of each.
  pt::Status install(pt::PageTable& table, VirtAddr va, const pt::Lookup& found, pt::Entry next,
                     const pt::WalkStep& word);
  // The same by hardware, which has just read the entry: one locked read-modify-write of it, or of
  // each of its copies, as many as are returned; told as one write.
  uint64_t update(pt::PageTable& table, VirtAddr va, const pt::Lookup& found, pt::Entry next);
  // One of those words, read again; what it is called is the page table's to say.
  void read(const pt::PageTable& table, VirtAddr va, const pt::WalkStep& step, Access access);

  // The entry at `va` of `table` has been stored and that reported, for `who`, which had made
  // `before` references until then (made()): a Narrator is shown the store, and told of the others.
  void tell_store(const pt::PageTable& table, VirtAddr va, mem::Origin who, uint64_t before);
  [[nodiscard]] uint64_t made(mem::Origin who) const { return sink_->total(who); }

  void remark(const std::string& text) {
    if (narrator_ != nullptr) narrator_->remark(text);
  }
  [[nodiscard]] bool narrated() const { return narrator_ != nullptr; }
  // Null: nobody listens. Must outlive its use.
  void narrate(Narrator* narrator);
  // Null, as at first: handlers run by physical addresses. Must outlive its use.
  void view_by(HandlerView* view);
  // The handlers' step taken last, where somebody views; what to resume() when steps within it are
  // done.
  [[nodiscard]] unsigned last() const { return last_; }
  void resume(unsigned number) {
    last_ = number;
    if (narrator_ != nullptr) narrator_->resume(steps_[number]);
  }

  [[nodiscard]] uint64_t taken(unsigned number) const { return taken_[number]; }
  // Of the miss path alone, or of the entries of page faults alone.
  [[nodiscard]] uint64_t instructions(bool of_faults = false) const;
  [[nodiscard]] uint64_t traps(bool of_faults = false) const;

 private:
  [[nodiscard]] bool only_counts(const Access& access) const {
    return !watched_ && !access.beside && access.origin != mem::Origin::Kernel;
  }
  [[gnu::always_inline]] void count(PhysAddr address, bool write, const Access& access) {
    if (access.origin == mem::Origin::Handler && view_ != nullptr)
      static_cast<void>(view_->reach(address));
    ++sink_->plain_count(access.origin, access.level, write);
  }
  [[gnu::cold]] void report(PhysAddr address, unsigned bytes, bool write,
                            std::span<const uint64_t> words, Access access);
  [[gnu::cold]] void report_word(PhysAddr address, unsigned bytes, bool write, uint64_t value,
                                 Access access) {
    report(address, bytes, write, std::span(&value, 1), access);
  }
  void show_step(unsigned number);
  void show_more(unsigned number, uint64_t instructions);
  void fetch(unsigned number, uint64_t instructions);
  [[nodiscard]] std::array<uint64_t, 2> words_of(const pt::WalkStep& step) const;
  void watch() {
    watched_ = narrator_ != nullptr || sink_->has_caches();
    handlers_watched_ = watched_ || view_ != nullptr;
  }
  void show(PhysAddr address, unsigned bytes, bool write, std::span<const uint64_t> words,
            const Access& access, std::optional<mem::Place> served);
  void show(PhysAddr address, unsigned bytes, bool write, std::span<const uint64_t> words,
            const Access& access, std::optional<mem::Place> served, const char* what,
            std::string fields);

  std::span<const Step> steps_;
  mem::FrameMemory* frames_;
  mem::ReferenceSink* sink_;
  std::vector<uint64_t> taken_;
  std::vector<uint64_t> extra_;
  struct Code {
    PhysAddr begin;
    uint64_t instructions = 0;
    uint64_t fetched = 0;  // of them, since the step was taken, where it is followed
    uint64_t first = 0;    // bytes of its shortest path
    bool in_one_page = false;
  };
  HandlerCode layout_;
  std::vector<Code> code_;
  Narrator* narrator_ = nullptr;
  HandlerView* view_ = nullptr;
  unsigned last_ = 0;
  bool watched_ = false;           // there are caches, or somebody listens
  bool handlers_watched_ = false;  // ... or views
};

// Adds up the paths of all CPUs: path.<step>, path.instructions, path.traps.
class PathReport {
 public:
  explicit PathReport(std::span<const Step> steps);
  void add(const MissPath& path);
  void report(stats::Report& report) const;
  // Of the miss path, and of the page faults it ended in.
  [[nodiscard]] uint64_t instructions() const { return instructions_; }
  [[nodiscard]] uint64_t traps() const { return traps_; }
  [[nodiscard]] uint64_t fault_instructions() const { return fault_instructions_; }
  [[nodiscard]] uint64_t fault_traps() const { return fault_traps_; }
  [[nodiscard]] uint64_t faults() const;

 private:
  std::span<const Step> steps_;
  std::vector<uint64_t> taken_;
  uint64_t instructions_ = 0;
  uint64_t traps_ = 0;
  uint64_t fault_instructions_ = 0;
  uint64_t fault_traps_ = 0;
};

}  // namespace mmusim::mmu

#endif  // MMUSIM_MMU_MISS_PATH_H_
