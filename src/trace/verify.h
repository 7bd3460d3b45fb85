// Reads a trace from end to end and makes sure of everything that can be: checksums, index against
// content, record counts, that page streams say what the columns say, and that the history makes
// sense. For `trace verify`.
#ifndef MMUSIM_TRACE_VERIFY_H_
#define MMUSIM_TRACE_VERIFY_H_

#include <functional>
#include <string>
#include <vector>

#include "trace/info.h"
#include "trace/reader.h"

namespace mmusim::trace {

// What is odd but not damage. Imported traces may well have some: a recorder does not see
// everything.
enum class Oddity : uint8_t {
  AfterEnd,
  BornAlive,
  NotBorn,
  NeverRuns,
  WaitsForStranger,
  WaitsTooEarly,
  OddImage,
  OutsideAreas,
  NoRight,
  OddResult,
  OddRange,
  MappedOver,
  MappedElsewhere,
  MovedNothing,
  OddBreak,
  TooManyAreas,
};
inline constexpr size_t kOddities = 16;
// For programs ("after_end"), and as a complete sentence.
const char* key_of(Oddity oddity);
const char* sentence_of(Oddity oddity);

struct OddityRemark {
  Oddity oddity{};
  uint64_t count = 0;
  uint64_t first = 0;   // the instruction's number (part.h)
  std::string example;  // the first, as a complete sentence
};

struct VerifyReport {
  Info info;                          // scanned
  std::vector<OddityRemark> remarks;  // of each kind that came, in order
  uint64_t remark_count = 0;          // of all together
  uint64_t references_checked = 0;    // whether they are in an area
};

// `progress`, if not empty, is called now and then with bytes of the file done and in all. Errors:
// Error naming file and byte offset at the first damage. Memory: bounded by a chunk, by the number
// of threads in the trace, and by the areas of living processes (processes.h).
//
// Where the image of a process was recorded, each of its references is looked up in its areas,
// which are followed through all events; stacks grow.
VerifyReport verify(const std::string& path, const ReaderOptions& options = {},
                    const std::function<void(uint64_t, uint64_t)>& progress = {});

}  // namespace mmusim::trace

#endif  // MMUSIM_TRACE_VERIFY_H_
