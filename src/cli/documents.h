// Where a command's results go besides, or in place of, what it prints for people: --json FILE and
// --csv FILE, either of which may be - for standard output.
#ifndef MMUSIM_CLI_DOCUMENTS_H_
#define MMUSIM_CLI_DOCUMENTS_H_

#include <fmt/format.h>
#include <optional>
#include <string>

#include "base/error.h"
#include "base/output_file.h"
#include "cli/arguments.h"
#include "cli/output.h"

namespace mmusim::cli {

class Documents {
 public:
  // Declares both options, which write `whole` and `rows`.
  static void declare(Arguments& arguments, const char* whole, const char* rows) {
    arguments.options()  //
        ("json", text_option("FILE"),
         fmt::format("Write {} as JSON; - for stdout, in place of the text.", whole).c_str())  //
        ("csv", text_option("FILE"),
         fmt::format("Write {}, as comma-separated values; - for stdout.", rows).c_str());
  }

  // Makes the files, before the work, so that a mistyped name does not cost it. Errors: as
  // OutputFile; UsageError if both are for standard output.
  explicit Documents(const Arguments& arguments)
      : json_(arguments, "json"), csv_(arguments, "csv") {
    if (json_.to_stdout && csv_.to_stdout)
      throw UsageError("--csv", "both --json and --csv would go to stdout",
                       "give one of them a file");
  }

  // Then nothing else may be printed there.
  [[nodiscard]] bool to_stdout() const { return json_.to_stdout || csv_.to_stdout; }

  // Whether either is wanted.
  [[nodiscard]] bool any() const { return json_.wanted || csv_.wanted; }

  // Makes what is wanted, with functions that return a text each, and writes or prints it. Files
  // appear when all are whole. Errors: as OutputFile and print().
  template <class Json, class Csv, class Text>
  void write(Json json, Csv csv, Text text) {
    fill(json, csv);
    commit();
    print_or(to_stdout() ? "" : text());
  }
  // The parts of that, for a command that writes more.
  template <class Json, class Csv>
  void fill(Json json, Csv csv) {
    if (csv_.wanted) fill(csv_, csv());
    if (json_.wanted) fill(json_, json());
  }
  void commit() {
    for (Output* const output : {&json_, &csv_})
      if (output->file) output->file->commit();
  }
  void print_or(const std::string& text) { print(to_stdout() ? printed_ : text); }

 private:
  struct Output {
    Output(const Arguments& arguments, const char* option)
        : wanted(arguments.has(option)), to_stdout(wanted && arguments.text(option) == "-") {
      if (wanted && !to_stdout) file.emplace(arguments.text(option));
    }
    bool wanted;
    bool to_stdout;
    std::optional<OutputFile> file;
  };
  void fill(Output& output, const std::string& document) {
    if (output.file) output.file->write(document);
    if (output.to_stdout) printed_ = document;
  }

  Output json_;
  Output csv_;
  std::string printed_;  // what goes to standard output
};

}  // namespace mmusim::cli

#endif  // MMUSIM_CLI_DOCUMENTS_H_
