// A command's arguments: what it takes is declared once, and from that parsed, checked and printed
// by --help, and, as there are many, for the configuration keys by --help-keys [SECTION].
#ifndef MMUSIM_CLI_ARGUMENTS_H_
#define MMUSIM_CLI_ARGUMENTS_H_

#include <boost/program_options.hpp>
#include <string>

#include "cli/command.h"
#include "config/schema.h"

namespace mmusim::cli {

class Arguments {
 public:
  // `usage` is what follows "mmusim " in the usage line; `text` explains the command.
  Arguments(std::string usage, std::string text);

  // The command's own options; --help is there already.
  [[nodiscard]] boost::program_options::options_description_easy_init options() {
    return options_.add_options();
  }
  // Arguments without a dash: `name` takes up to `most` of them (-1: any number), and at least one
  // must be there.
  void positional(const std::string& name, int most);
  // Where this option is given, there need be none.
  void without_positional(const std::string& option) { alone_ = option; }
  // Every key of `schema`, which must outlive this, as an option.
  void keys(const config::Schema& schema);

  // False if the help was asked for, and has been printed. Errors: UsageError.
  [[nodiscard]] bool parse(const Words& words);
  // A first look, before all keys are known: those the schema passes over may be there, and nothing
  // is missed. Errors: UsageError.
  void look(const Words& words);

  [[nodiscard]] bool has(const std::string& name) const { return values_.count(name) != 0; }
  [[nodiscard]] const std::string& text(const std::string& name) const;
  [[nodiscard]] const Words& texts(const std::string& name) const;
  // The parts of a text between its commas.
  [[nodiscard]] Words list(const std::string& name) const;
  // A whole number from `least` to `most`, or `otherwise` where the option is not given. Errors:
  // UsageError.
  [[nodiscard]] uint64_t number(const std::string& name, uint64_t otherwise, uint64_t least = 0,
                                uint64_t most = UINT64_MAX) const;

  // Sets the keys given as options.
  void apply_keys(config::Config& config) const;

 private:
  // False if the help was asked for; then nothing else is kept.
  [[nodiscard]] bool read(const Words& words);
  [[nodiscard]] std::string help() const;
  // Of the keys that begin so; of all for "". Errors: UsageError where there are none.
  [[nodiscard]] std::string key_help(const std::string& section) const;
  [[noreturn]] void unknown(const std::string& option) const;

  std::string usage_;
  std::string text_;
  boost::program_options::options_description options_;
  boost::program_options::options_description keys_;
  std::string asked_;  // what parse() prints in place of doing anything: one of the two
  boost::program_options::options_description hidden_;
  boost::program_options::positional_options_description positional_;
  std::string required_;
  std::string alone_;  // the option that needs no required_
  const config::Schema* schema_ = nullptr;
  boost::program_options::parsed_options parsed_;
  boost::program_options::variables_map values_;
};

// For declaring options: takes a text; may be given once.
inline boost::program_options::typed_value<std::string>* text_option(const char* shown_as) {
  return boost::program_options::value<std::string>()->value_name(shown_as);
}

}  // namespace mmusim::cli

#endif  // MMUSIM_CLI_ARGUMENTS_H_
