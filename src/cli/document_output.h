// Where a command's --json FILE (or --csv FILE) goes: into a file, or with - to standard output, in
// place of what is printed for people.
#ifndef MMUSIM_CLI_DOCUMENT_OUTPUT_H_
#define MMUSIM_CLI_DOCUMENT_OUTPUT_H_

#include <optional>
#include <string>

#include "base/error.h"
#include "base/output_file.h"
#include "cli/arguments.h"

namespace mmusim::cli {

class DocumentOutput {
 public:
  // Makes the file, before the work, so that a mistyped name does not cost it. `arguments` declares
  // `option`. Errors: as OutputFile.
  explicit DocumentOutput(const Arguments& arguments, const char* option = "json")
      : wanted_(arguments.has(option)), to_stdout_(wanted_ && arguments.text(option) == "-") {
    if (wanted_ && !to_stdout_) file_.emplace(arguments.text(option));
  }

  [[nodiscard]] bool wanted() const { return wanted_; }
  // Then the document is what is to be printed.
  [[nodiscard]] bool to_stdout() const { return to_stdout_; }
  // Into the file, if there is one, which appears with commit(). Errors: as OutputFile.
  void fill(const std::string& document) {
    if (file_) file_->write(document);
  }
  void commit() {
    if (file_) file_->commit();
  }
  void write(const std::string& document) {
    fill(document);
    commit();
  }

 private:
  bool wanted_;
  bool to_stdout_;
  std::optional<OutputFile> file_;
};

// Errors: UsageError if both --json and --csv are for standard output.
inline void refuse_two_documents(bool json_to_stdout, bool csv_to_stdout) {
  if (json_to_stdout && csv_to_stdout)
    throw UsageError("--csv", "both --json and --csv would go to stdout",
                     "give one of them a file");
}

}  // namespace mmusim::cli

#endif  // MMUSIM_CLI_DOCUMENT_OUTPUT_H_
