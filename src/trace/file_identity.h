// Which file a mapped file was when it was recorded: the path may name another one by now.
//
// It stands in a trace as a marker event beside the exec or mmap that mapped it, so that readers
// who know nothing of it read the trace all the same:
//
//     mapped file IDENTITY PATH
//
// IDENTITY is `build-id:` or `code:` and hexadecimal digits (symbols/identity.h says of what), and
// has no blank; PATH is the rest, as the event has it.
#ifndef MMUSIM_TRACE_FILE_IDENTITY_H_
#define MMUSIM_TRACE_FILE_IDENTITY_H_

#include <cstddef>
#include <map>
#include <optional>
#include <string>

#include "trace/record.h"

namespace mmusim::trace {

struct MappedIdentity {
  std::string file;
  std::string identity;
  bool operator==(const MappedIdentity&) const = default;
};

MarkerEvent marker_of(const MappedIdentity& identity);
// Nothing: the marker is another one.
std::optional<MappedIdentity> file_identity_of(const MarkerEvent& marker);

// What a trace says of its mapped files so far. Memory: that of kMostFiles, of which a path is as
// long as Linux has them at most; what is beyond is not known.
class FileIdentities {
 public:
  static constexpr size_t kMostFiles = 16384;

  struct Known {
    std::string identity;   // as told last
    bool replaced = false;  // another one was told before
  };

  void marker(const MarkerEvent& marker);
  [[nodiscard]] const std::map<std::string, Known>& all() const { return files_; }
  // Null: the trace does not say.
  [[nodiscard]] const Known* find(const std::string& file) const;

 private:
  std::map<std::string, Known> files_;
};

}  // namespace mmusim::trace

#endif  // MMUSIM_TRACE_FILE_IDENTITY_H_
