// Which files are mapped as code, as a trace says it (trace/file_identity.h): each told where it is
// first mapped, and again where another one stands at its path.
//
// A file is looked at when the collector comes to its mapping, some milliseconds behind the
// program: who replaces it in between is not seen. Not thread-safe.
#ifndef MMUSIM_RECORD_MAPPED_FILES_H_
#define MMUSIM_RECORD_MAPPED_FILES_H_

#include <map>
#include <optional>
#include <string>
#include <vector>

#include "trace/file_identity.h"
#include "trace/record.h"

namespace mmusim::record {

// Files, by path, that the event maps as code.
std::vector<std::string> code_files_of(const trace::Event& event);

class MappedFiles {
 public:
  // What is to be told behind the event, which has happened.
  [[nodiscard]] std::vector<trace::MarkerEvent> told_behind(const trace::Event& event);

 private:
  struct Known {
    std::string state;     // FileState::text() when it was looked at last
    std::string identity;  // as told last; "": never
  };

  [[nodiscard]] std::optional<trace::MarkerEvent> news_of(const std::string& path);

  std::map<std::string, Known> files_;
};

}  // namespace mmusim::record

#endif  // MMUSIM_RECORD_MAPPED_FILES_H_
