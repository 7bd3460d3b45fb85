// The control stream of a chunk: how many blocks are executed in a row, and what is between such
// runs. Coding: README.md ("Inside a chunk"). Not thread-safe.
#ifndef MMUSIM_TRACE_CONTROL_READER_H_
#define MMUSIM_TRACE_CONTROL_READER_H_

#include <cstdint>

#include "trace/bytes.h"
#include "trace/record.h"

namespace mmusim::trace {

class ControlReader {
 public:
  ControlReader() : in_({}, place_, "") {}
  ControlReader(const ControlReader&) = delete;
  ControlReader& operator=(const ControlReader&) = delete;

  // `bytes` must live as long as they are read.
  void open(std::span<const uint8_t> bytes, const Place& place);

  // Blocks before the next item, less those taken.
  [[nodiscard]] uint64_t run() const { return run_; }
  void take_blocks(uint64_t count) { run_ -= count; }
  // Whether an item follows the run.
  [[nodiscard]] bool item_due() const { return item_due_; }
  // The item, an event (then the batch is it) or a change of thread; and the run that follows.
  void take_item(Batch& batch);

  // Whose blocks they are. Errors: Error if no thread was named.
  [[nodiscard]] ThreadId thread() const {
    if (!has_thread_) in_.fail("blocks before any thread");
    return thread_;
  }
  [[noreturn]] void fail(const char* what) const { in_.fail(what); }

 private:
  Place place_;
  ByteReader in_;
  ThreadId thread_{};
  bool has_thread_ = false;
  uint64_t run_ = 0;
  bool item_due_ = false;
  Event event_;
};

}  // namespace mmusim::trace

#endif  // MMUSIM_TRACE_CONTROL_READER_H_
