// Where a command's --json FILE goes: into a file, or with - to standard output, in place of what
// is printed for people.
#ifndef MMUSIM_CLI_JSON_OUTPUT_H_
#define MMUSIM_CLI_JSON_OUTPUT_H_

#include <optional>
#include <string>

#include "base/output_file.h"
#include "cli/arguments.h"

namespace mmusim::cli {

class JsonOutput {
 public:
  // Makes the file, before the work, so that a mistyped name does not cost it. `arguments` declares
  // "json". Errors: as OutputFile.
  explicit JsonOutput(const Arguments& arguments)
      : wanted_(arguments.has("json")), to_stdout_(wanted_ && arguments.text("json") == "-") {
    if (wanted_ && !to_stdout_) file_.emplace(arguments.text("json"));
  }

  [[nodiscard]] bool wanted() const { return wanted_; }
  // Then the document is what is to be printed.
  [[nodiscard]] bool to_stdout() const { return to_stdout_; }
  // Into the file, if there is one, which then appears. Errors: as OutputFile.
  void write(const std::string& document) {
    if (!file_) return;
    file_->write(document);
    file_->commit();
  }

 private:
  bool wanted_;
  bool to_stdout_;
  std::optional<OutputFile> file_;
};

}  // namespace mmusim::cli

#endif  // MMUSIM_CLI_JSON_OUTPUT_H_
