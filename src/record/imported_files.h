// Which builds the files are that an import's events map as code. Logs have their paths, if that;
// so whoever imports them says where the files are that were recorded.
//
// A file that was changed after the logs were written is not the recorded one, or may not be: it is
// not told. Here that goes by its last change, since a package's files come with the times of their
// making; of copies elsewhere by the time they were modified at. Not thread-safe.
#ifndef MMUSIM_RECORD_IMPORTED_FILES_H_
#define MMUSIM_RECORD_IMPORTED_FILES_H_

#include <cstdint>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "symbols/image.h"
#include "trace/record.h"

namespace mmusim::record {

class ImportedFiles {
 public:
  // `root`: a folder below which the files are by their paths ("/": here); nothing: nobody says.
  // `logs`: those that are imported.
  ImportedFiles(std::optional<std::string> root, const std::vector<std::string>& logs);

  // What is to be told behind the event; see WriterOptions.
  [[nodiscard]] std::vector<trace::MarkerEvent> told_behind(const trace::Event& event);

  // What of it is mapped, by a path; nothing if nobody says, or it is none of the recorded files.
  [[nodiscard]] std::optional<symbols::Image> image_of(const std::string& path);

  // Of how many nobody says which builds they were.
  [[nodiscard]] uint64_t known_by_path() const { return not_told_.size(); }
  // Why those of `root` are not told, in sentences.
  [[nodiscard]] std::vector<std::string> warnings() const;

 private:
  // Of what stands at the path, if it may be what was recorded; else it is noted why not.
  std::optional<std::string> identity_of(const std::string& path);

  std::optional<std::string> root_;
  bool here_;                       // the root is this system's
  std::optional<int64_t> written_;  // the last of the logs; nothing: one is no file
  std::set<std::string> told_;      // or told by the logs
  std::set<std::string> not_told_;  // by nobody
  std::set<std::string> missing_;   // are not there, or no ELF files with code
  std::set<std::string> changed_;   // later than the logs
};

}  // namespace mmusim::record

#endif  // MMUSIM_RECORD_IMPORTED_FILES_H_
