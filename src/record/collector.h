// Reads the rings of all recorded threads (ring.h) and writes one trace of them, in the order of
// their numbers. Knows nothing of starting and ending processes but what the rings and the kernel
// say of them. Not thread-safe: one thread collects.
#ifndef MMUSIM_RECORD_COLLECTOR_H_
#define MMUSIM_RECORD_COLLECTOR_H_

#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "record/blocks.h"
#include "record/events.h"
#include "record/mapped_files.h"
#include "record/ring.h"
#include "trace/writer.h"

namespace mmusim::record {

struct Counts {
  uint64_t processes = 0;  // made by fork, and the first
  uint64_t programs = 0;   // started: images
  uint64_t threads = 0;    // made besides
  uint64_t repeats = 0;    // iterations of repeated string instructions, counted as one instruction
  uint64_t unrecorded = 0;         // programs that ran without being recorded
  uint64_t unknown_ends = 0;       // processes whose end nobody told
  uint64_t unseen = 0;             // accesses that QEMU made somewhere it does not show
  bool unwatched = false;          // QEMU does not tell of exceptions
  uint64_t unplaced = 0;           // exceptions QEMU does not show the place of
  uint64_t windows = 0;            // SPARC: register windows stored to or loaded from a stack
  uint64_t lost_words = 0;         // cannot be understood: a process was killed in the middle
  std::vector<std::string> notes;  // sentences about single programs, the first few
};

class Collector {
 public:
  // `share` is the memory, `file` its descriptor. All three must outlive this.
  Collector(trace::Writer& writer, const Isa& isa, Share& share, int file);
  ~Collector();
  Collector(const Collector&) = delete;
  Collector& operator=(const Collector&) = delete;

  // Takes what is there, and says how many words that was.
  uint64_t collect();
  // Asks the kernel which processes have ended.
  void look_for_ends();
  // A process that was waited for here.
  void ended(uint32_t process, int32_t status);

  // Processes that are recorded now.
  [[nodiscard]] size_t running() const { return processes_.size(); }
  [[nodiscard]] std::vector<uint32_t> processes() const;
  [[nodiscard]] const Counts& counts() const { return counts_; }

 private:
  struct Process;
  struct Stream;

  RingHead& head(uint32_t ring) const;
  uint64_t* words(uint32_t ring) const;
  void free_ring(uint32_t ring);

  // False: somebody is about to take a ring and a number; no number is certain.
  bool find_rings();
  void release(Stream& stream);
  void parse(Stream& stream);
  void leave_impossible(Stream& stream);
  void one_word(Stream& stream, uint64_t word);
  void fill_event(Stream& stream);
  void begin_block(Stream& stream, uint64_t number);
  // Blocks that do what they usually do, as many as there are one after the other.
  void usual_blocks(Stream& stream);
  static const uint64_t* look_ahead(const Definitions& definitions, const uint64_t* at,
                                    const uint64_t* end);
  void write_again();
  [[nodiscard]] static bool repeats(const Definitions& definitions, uint64_t number);
  [[nodiscard]] static bool continues(const Stream& stream, uint64_t word);
  void add_access(Stream& stream, uint64_t address, Access access);
  void end_block(Stream& stream);
  // A trap ended the block before one of its instructions.
  void cut_block(Stream& stream, size_t instructions);
  void fault(Stream& stream, uint64_t address);
  void add_window(Stream& stream, uint64_t address, uint64_t instruction, bool store);
  static void forget_block(Stream& stream);
  Shape& shape_of(Stream& stream);
  static void found_usual(Stream& stream, Shape& shape);
  void write(Shape& shape, const uint64_t* addresses);
  // False: the event is not all there yet.
  bool at_its_turn(Stream& stream);
  void event(Stream& stream);
  void start(Stream& stream, WordReader& words);
  void call(Stream& stream, WordReader& words);
  void wait(Stream& stream, uint32_t child, int32_t status, bool known);
  void exit(Stream& stream, int32_t status, bool whole);
  void announce(Process& parent, uint32_t parent_thread, uint32_t child, uint64_t flags);
  void announce_thread(Process& process, uint32_t maker, uint32_t thread, uint64_t flags);
  Process& process(uint32_t id);
  Stream* stream_of(const Process& process, uint32_t thread);  // null: it has none any more
  void bury_namesake(uint32_t id, const Stream* except);
  void read_definitions(Process& process);
  void end_streams(Process& process, const Stream* except);
  void finish(Process& process, std::optional<int32_t> status);
  void forget(Process& process);
  // It is gone: its streams, but `except`, are read to their end, and what is known of its blocks
  // is kept for children that have not begun.
  void bury(Process& process, const Stream* except);
  void free_definitions(Process& process);
  void wake_parent(Process& process);
  void free_ended();
  void free_orphans();
  void give_back();
  void give_back_early(const Stream& stream);
  // Of a thread, and what is to be told of files it maps.
  void tell(const Stream& stream, const trace::Event& event);
  void note(const std::string& text);

  trace::Writer& writer_;
  const Isa& isa_;
  Share& share_;
  int file_;
  std::map<uint32_t, std::unique_ptr<Process>> processes_;
  std::map<uint32_t, Definitions> graves_;  // of processes that ended: a child may still come
  std::vector<std::unique_ptr<Stream>> streams_;
  std::vector<bool> known_rings_;
  uint32_t registrations_ = 0;
  bool look_again_ = true;
  uint64_t consumed_ = 0;  // words, in all
  Shape passing_;          // of blocks with too many shapes
  AgainBlocks again_;
  MappedFiles mapped_files_;
  Counts counts_;
};

}  // namespace mmusim::record

#endif  // MMUSIM_RECORD_COLLECTOR_H_
