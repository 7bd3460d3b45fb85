// Where a command's results go besides, or in place of, what it prints for people: --json FILE and
// --csv FILE, and of some commands --csv-intervals FILE and --html FILE; one of them may be - for
// standard output.
#ifndef MMUSIM_CLI_DOCUMENTS_H_
#define MMUSIM_CLI_DOCUMENTS_H_

#include <fmt/format.h>
#include <optional>
#include <string>

#include "base/error.h"
#include "base/output_file.h"
#include "cli/arguments.h"
#include "cli/output.h"
#include "report/page.h"
#include "report/text_plot.h"

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
  // Declares --html besides, for a command whose JSON a page can be made of (report/page.h).
  static void declare_page(Arguments& arguments) {
    arguments.options()("html", text_option("FILE"),
                        "Write a page with figures and tables, as 'mmusim report' does.");
  }
  // Declares --plot, for a command that prints what page and plots are made of.
  static void declare_plot(Arguments& arguments) {
    arguments.options()("plot", "Print the figures of such a page too, in characters.");
  }
  // What they are; "" where they are not asked for. `json` gives the command's document.
  template <class Json>
  static std::string plots(const Arguments& arguments, Json json) {
    return arguments.has("plot") ? report::plots_of_json(json()) : "";
  }

  // Makes the files, before the work, so that a mistyped name does not cost it. Errors: as
  // OutputFile; UsageError if both are for standard output.
  explicit Documents(const Arguments& arguments)
      : json_(arguments, "json"),
        csv_(arguments, "csv"),
        intervals_(arguments, "csv-intervals"),
        html_(arguments, "html") {
    const Output* first = nullptr;
    for (const Output* const output : {&json_, &csv_, &intervals_, &html_}) {
      if (!output->to_stdout) continue;
      if (first != nullptr)
        throw UsageError(
            "--" + output->option,
            fmt::format("both --{} and --{} would go to stdout", first->option, output->option),
            "give one of them a file");
      first = output;
    }
  }

  // Then nothing else may be printed there.
  [[nodiscard]] bool to_stdout() const {
    return json_.to_stdout || csv_.to_stdout || intervals_.to_stdout || html_.to_stdout;
  }

  // Whether any is wanted.
  [[nodiscard]] bool any() const {
    return json_.wanted || csv_.wanted || intervals_.wanted || html_.wanted;
  }

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
    if (!json_.wanted && !html_.wanted) return;
    const std::string document = json();
    if (html_.wanted) fill(html_, report::page_of_json(document));
    if (json_.wanted) fill(json_, document);
  }
  // --csv-intervals, for a command that declares it.
  template <class Csv>
  void fill_intervals(Csv csv) {
    if (intervals_.wanted) fill(intervals_, csv());
  }
  void commit() {
    for (Output* const output : {&json_, &csv_, &intervals_, &html_})
      if (output->file) output->file->commit();
  }
  void print_or(const std::string& text) { print(to_stdout() ? printed_ : text); }

 private:
  struct Output {
    Output(const Arguments& arguments, const char* name)
        : option(name),
          wanted(arguments.has(option)),
          to_stdout(wanted && arguments.text(option) == "-") {
      if (wanted && !to_stdout) file.emplace(arguments.text(option));
    }
    std::string option;
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
  Output intervals_;
  Output html_;
  std::string printed_;  // what goes to standard output
};

}  // namespace mmusim::cli

#endif  // MMUSIM_CLI_DOCUMENTS_H_
