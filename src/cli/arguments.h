// A command's arguments: what it takes is declared once, and from that parsed, checked and printed
// by --help, and, as there are many, for the configuration keys by --help-keys [SECTION]; and so
// are the manual's pages and what a shell completes (manual.h, completion.h). What stands for an
// argument or a value in the usage says what it may be: names of files, of one kind or several
// (names.h), KIND (of page table), COUNTER, KEY, FILE, DIR; anything else is text, or one of the
// words that are offered for it (offer()). LIST, and what ends in ",...", takes several.
#ifndef MMUSIM_CLI_ARGUMENTS_H_
#define MMUSIM_CLI_ARGUMENTS_H_

#include <boost/program_options.hpp>
#include <map>
#include <string>
#include <utility>
#include <vector>

#include "cli/command.h"
#include "config/schema.h"

namespace mmusim::cli {

// What a command says of itself.
struct CommandHelp {
  struct Option {
    std::string name;    // without dashes
    std::string letter;  // "": it has no short form
    std::string value;   // what stands for it; "": it takes none
    std::string text;
    Words offered = {};  // values it may have; none: not to be said beforehand
  };
  struct KeyOption {
    std::string name;
    Words offered;  // as above
  };
  std::string usage;  // without "mmusim "
  std::string text;
  std::string positional;  // what stands for its arguments; "": it takes none
  Words offered;           // arguments it may have, as above
  std::vector<Option> options;
  std::vector<KeyOption> keys;        // of configurations, which are options too
  std::vector<std::string> sections;  // of configuration keys that are options too
};
// What --help would say. Runs the command no further than there.
CommandHelp help_of(const Command& command);

class Arguments {
 public:
  // `usage` is what follows "mmusim " in the usage line; `text` explains the command.
  Arguments(std::string usage, std::string text);

  // The command's own options; --help is there already.
  [[nodiscard]] boost::program_options::options_description_easy_init options() {
    return options_.add_options();
  }
  // Arguments without a dash: `name` takes up to `most` of them (-1: any number), and at least one
  // must be there. It is what stands for them in the usage: of kinds of files that have names
  // ("TRACE|SCRIPT", see names.h), each is the path of the file.
  void positional(const std::string& name, int most);
  // What the value of an option, or the argument that a name stands for, may be: for shells to
  // complete. Others are not refused here.
  void offer(const std::string& name, Words values) { offered_[name] = std::move(values); }
  // Where this option is given, there need be none.
  void without_positional(const std::string& option) { alone_ = option; }
  // The file this option makes may take the place of what it is made of, being of the same kind;
  // that of any other option whose value is a FILE may not.
  void may_replace(const std::string& option) { replacing_ = option; }
  // Every key of `schema`, which must outlive this, as an option.
  void keys(const config::Schema& schema);

  // False if the help was asked for, and has been printed. Errors: UsageError, also for an
  // argument, or an option's value, that is empty (of keys only where the key cannot be), and for a
  // file to be made (FILE) that is named elsewhere among the words, too.
  [[nodiscard]] bool parse(const Words& words);
  // Where what is read is found later, as in a config file. Errors: UsageError where one of these
  // files is to be made.
  void refuse_outputs_over(const Words& inputs) const;
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
  void refuse_empty() const;
  // --NAME VALUE of each file that is to be made.
  [[nodiscard]] std::vector<std::pair<std::string, std::string>> outputs() const;
  void refuse_overlaps() const;
  void find_positional();
  [[nodiscard]] CommandHelp described() const;
  [[nodiscard]] Words sections() const;  // of keys, in order
  [[nodiscard]] std::string help() const;
  // Of the keys that begin so; of all for "". Errors: UsageError where there are none.
  [[nodiscard]] std::string key_help(const std::string& section) const;
  [[noreturn]] void unknown(const std::string& option) const;

  std::string usage_;
  std::string text_;
  boost::program_options::options_description options_;
  boost::program_options::options_description keys_;
  std::string asked_;  // what parse() prints in place of doing anything: one of the two
  Words found_;        // the positional arguments, as paths where they were names
  boost::program_options::options_description hidden_;
  boost::program_options::positional_options_description positional_;
  std::string required_;
  std::map<std::string, Words> offered_;
  std::string replacing_;
  std::string alone_;  // the option that needs no required_
  const config::Schema* schema_ = nullptr;
  boost::program_options::parsed_options parsed_;
  boost::program_options::variables_map values_;
};

// Page sizes, of any of which these take powers of two.
inline const Words kUsualPages{"4K", "8K", "16K", "64K", "2M", "1G"};

// For declaring options: takes a text; may be given once.
inline boost::program_options::typed_value<std::string>* text_option(const char* shown_as) {
  return boost::program_options::value<std::string>()->value_name(shown_as);
}

}  // namespace mmusim::cli

#endif  // MMUSIM_CLI_ARGUMENTS_H_
