// What a trace is, in numbers: for `trace info`.
#ifndef MMUSIM_TRACE_INFO_H_
#define MMUSIM_TRACE_INFO_H_

#include <array>
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "trace/file_identity.h"
#include "trace/reader.h"
#include "trace/record.h"
#include "trace/survey.h"

namespace mmusim::trace {

struct Info {
  Header header;
  std::string content_hash;
  uint64_t file_bytes = 0;
  uint64_t chunks = 0;
  uint64_t raw_bytes = 0;         // of all chunks, uncompressed
  PageStreamChunks page_streams;  // how many have some
  bool torn = false;
  Totals totals;

  // Only known when the records were read.
  bool scanned = false;
  uint64_t processes = 0;       // distinct process ids that run, or are born
  uint64_t threads = 0;         // distinct (process, thread) ids, likewise
  uint64_t thread_changes = 0;  // times the trace goes on with another thread
  std::array<uint64_t, std::variant_size_v<Event>> event_counts{};  // by kind, as in Event
  FileIdentities files{};          // mapped as code, where the recorder says which they were
  std::optional<Survey> survey{};  // where it was asked for

  [[nodiscard]] double bytes_per_instruction() const {
    return totals.instructions == 0
               ? 0
               : static_cast<double>(file_bytes) / static_cast<double>(totals.instructions);
  }
};

// Gathers an Info from the batches of a reader.
class InfoScan {
 public:
  void add(const Batch& batch);
  // Once all batches were added.
  Info finish(const Reader& reader);
  // Fills what header and index say.
  void describe_file(const Reader& reader);
  [[nodiscard]] const Info& so_far() const { return info_; }

 private:
  // Distinct ids of a long stream: sorted and made unique whenever they have doubled.
  class IdSet {
   public:
    void add(ThreadId id);
    uint64_t threads();
    uint64_t processes();

   private:
    static constexpr size_t kFirstLimit = 4096;
    void compact();
    std::vector<uint64_t> ids_;
    size_t limit_ = kFirstLimit;
  };

  Info info_;
  IdSet ids_;
  std::optional<ThreadId> current_;
};

// With `scan`, reads all records (memory: 8 bytes per thread ever seen); without, only header and
// index, unless the file is torn. Errors: Error as Reader gives.
Info read_info(const std::string& path, bool scan, const ReaderOptions& options = {});

// The same with `survey`, of time in so many intervals; a torn file is read twice. `progress` is
// called now and then with bytes of the file done and in all. Memory: that of a survey.
Info survey_trace(const std::string& path, unsigned intervals, const ReaderOptions& options = {},
                  const std::function<void(uint64_t, uint64_t)>& progress = {});

}  // namespace mmusim::trace

#endif  // MMUSIM_TRACE_INFO_H_
