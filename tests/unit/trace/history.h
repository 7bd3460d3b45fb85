// Histories for tests: flat lists of what happened, made at random or by hand, written to and read
// back from container files.
#ifndef MMUSIM_TESTS_TRACE_HISTORY_H_
#define MMUSIM_TESTS_TRACE_HISTORY_H_

#include <string>
#include <vector>

#include "trace/reader.h"
#include "trace/record.h"
#include "trace/writer.h"

namespace mmusim::trace::testing {

// One instruction, data access or event, with its thread.
struct Happening {
  ThreadId thread;
  bool is_event = false;
  AccessKind kind = AccessKind::Fetch;
  uint64_t address = 0;
  unsigned bytes = 0;
  Event event;
  bool operator==(const Happening&) const = default;
};
using History = std::vector<Happening>;

struct HistoryShape {
  uint64_t seed = 1;
  unsigned happenings = 20000;
  unsigned threads = 3;
  unsigned code_blocks = 200;  // static code the threads run around in
  unsigned events_per_mille = 3;
  unsigned switches_per_mille = 5;
  bool wild = false;  // addresses and shapes without any regularity
};

// A plausible program: loops over a fixed code, with strides, stack and random accesses, and
// events of all kinds in between.
History random_history(const HistoryShape& shape);
Event random_event(uint64_t seed, size_t kind);

Header test_header();
void write_history(const std::string& path, const History& history,
                   const WriterOptions& options = {});
// Checks on the way that every batch and block keeps the limits of record.h and that totals match
// what is in the batch.
History read_history(const std::string& path, const ReaderOptions& options = {});

// The first difference as text; empty if there is none.
std::string difference(const History& expected, const History& actual);

// A file name in a directory of this test's own, removed when the test ends.
class TemporaryFile {
 public:
  explicit TemporaryFile(const std::string& name = "trace.mmt");
  ~TemporaryFile();
  TemporaryFile(const TemporaryFile&) = delete;
  TemporaryFile& operator=(const TemporaryFile&) = delete;
  [[nodiscard]] const std::string& path() const { return path_; }
  [[nodiscard]] const std::string& directory() const { return directory_; }

 private:
  std::string directory_;
  std::string path_;
};

std::string file_content(const std::string& path);
void write_file(const std::string& path, const std::string& content);

}  // namespace mmusim::trace::testing

#endif  // MMUSIM_TESTS_TRACE_HISTORY_H_
