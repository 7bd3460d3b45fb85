// Which files are mapped as code, as a trace says it (trace/file_identity.h): each told where it is
// first mapped, and again where another one stands at its path.
//
// A file is looked at when the collector comes to its mapping, some milliseconds behind the
// program: who replaces it in between is not seen. Not thread-safe.
#ifndef MMUSIM_RECORD_MAPPED_FILES_H_
#define MMUSIM_RECORD_MAPPED_FILES_H_

#include <compare>
#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "trace/file_identity.h"
#include "trace/record.h"

namespace mmusim::record {

class MappedFiles {
 public:
  // What is to be told behind the event, which has happened.
  [[nodiscard]] std::vector<trace::MarkerEvent> told_behind(const trace::Event& event);

 private:
  // What changes with the file.
  struct State {
    uint64_t device = 0;
    uint64_t inode = 0;
    uint64_t bytes = 0;
    int64_t seconds = 0;
    int64_t nanoseconds = 0;
    auto operator<=>(const State&) const = default;
  };
  struct Known {
    State state;
    std::string identity;  // as told last; "": never
  };

  [[nodiscard]] std::optional<trace::MarkerEvent> news_of(const std::string& path);

  std::map<std::string, Known> files_;
};

}  // namespace mmusim::record

#endif  // MMUSIM_RECORD_MAPPED_FILES_H_
