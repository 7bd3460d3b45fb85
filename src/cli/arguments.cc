#include "cli/arguments.h"

#include <algorithm>
#include <filesystem>
#include <fmt/format.h>
#include <iterator>
#include <sstream>
#include <system_error>
#include <utility>

#include "base/error.h"
#include "base/output_over.h"
#include "base/text.h"
#include "base/units.h"
#include "cli/names.h"
#include "cli/output.h"
#include "config/nearest.h"
#include "config/options.h"
#include "report/wrap.h"

namespace mmusim::cli {
namespace po = boost::program_options;
namespace {

constexpr unsigned kWidth = 80;
constexpr unsigned kHelpWidth = 52;
constexpr const char* kKeyHelp = "--help-keys";

// Long options with = or a blank, short ones with or without; no guessing from beginnings, since
// what is unambiguous today would not be tomorrow.
constexpr int kStyle = po::command_line_style::unix_style & ~po::command_line_style::allow_guessing;

// Where the help that is asked for goes, if not to standard output: see help_of(). The commands are
// run one at a time.
CommandHelp* wanted_help = nullptr;

}  // namespace

CommandHelp help_of(const Command& command) {
  CommandHelp help;
  wanted_help = &help;
  try {
    command.run({"--help"});
  } catch (...) {
    wanted_help = nullptr;
    throw;
  }
  wanted_help = nullptr;
  return help;
}

Arguments::Arguments(std::string usage, std::string text)
    : usage_(std::move(usage)),
      text_(std::move(text)),
      options_("Options", kWidth, kHelpWidth),
      keys_("Configuration keys (also in config files, below [section])", kWidth, kHelpWidth),
      parsed_(nullptr) {
  options_.add_options()("help,h", "Show this help.");
}

namespace {

// tlb.l2.entries -> tlb.l2, as in a config file
std::string section_of(const std::string& key) {
  return key.substr(0, key.rfind('.'));
}
// ... -> tlb, which --help-keys takes too
std::string first_part(const std::string& key) {
  return key.substr(0, key.find('.'));
}

// Whether a word asks for help on keys, and on which.
bool asks_for_keys(const Words& words, size_t i, std::string& section) {
  const std::string& word = words[i];
  if (word.starts_with(std::string(kKeyHelp) + "=")) {
    section = word.substr(std::string_view(kKeyHelp).size() + 1);
    return true;
  }
  if (word != kKeyHelp) return false;
  if (i + 1 < words.size() && !words[i + 1].starts_with('-')) section = words[i + 1];
  return true;
}

// Boost takes no "--name=" with nothing behind it, where a key may well be empty: in two words it
// does.
Words with_empty_values_apart(const Words& words, const po::options_description& all) {
  Words apart;
  for (const std::string& word : words) {
    const bool empty =
        word.size() > 3 && word.starts_with("--") && word.find('=') == word.size() - 1;
    const std::string name = empty ? word.substr(2, word.size() - 3) : "";
    const po::option_description* const option =
        empty ? all.find_nothrow(name, /*approx=*/false) : nullptr;
    if (option == nullptr || option->semantic()->min_tokens() == 0) {
      apart.push_back(word);
    } else {
      apart.insert(apart.end(), {"--" + name, ""});
    }
  }
  return apart;
}

// /dev/null may be written twice.
bool may_be_regular(const std::string& path) {
  std::error_code ignored;
  const auto what = std::filesystem::status(path, ignored).type();
  return what == std::filesystem::file_type::not_found ||
         what == std::filesystem::file_type::regular;
}

}  // namespace

void Arguments::positional(const std::string& name, int most) {
  hidden_.add_options()(name.c_str(), po::value<Words>());
  positional_.add(name.c_str(), most);
  required_ = name;
}

void Arguments::keys(const config::Schema& schema) {
  schema_ = &schema;
  config::add_options(schema, keys_);
}

bool Arguments::read(const Words& words) {
  std::string section;
  for (size_t i = 0; schema_ != nullptr && i < words.size(); ++i) {
    if (!asks_for_keys(words, i, section)) continue;
    asked_ = key_help(section);
    return false;
  }
  po::options_description all;
  all.add(options_).add(keys_).add(hidden_);
  try {
    parsed_ = po::command_line_parser(with_empty_values_apart(words, all))
                  .options(all)
                  .positional(positional_)
                  .style(kStyle)
                  .run();
    // Help is given whatever else is there.
    for (const po::option& option : parsed_.options) {
      if (option.string_key != "help") continue;
      asked_ = help();
      return false;
    }
    refuse_empty();
    po::variables_map values;
    po::store(parsed_, values);
    values_ = values;
    find_positional();
  } catch (const po::unknown_option& error) {
    unknown(error.get_option_name());
  } catch (const po::too_many_positional_options_error&) {
    throw UsageError("", "too many arguments", fmt::format("usage: mmusim {}", usage_));
  } catch (const po::error& error) {
    throw UsageError("", error.what(), fmt::format("usage: mmusim {}", usage_));
  }
  return true;
}

// What a shell makes of "$NAME" where nothing was ever put into it names no file, machine or
// number, and is no wish for what stands for none. Keys may be empty, and judge for themselves.
void Arguments::refuse_empty() const {
  for (const po::option& option : parsed_.options) {
    const bool is_key = keys_.find_nothrow(option.string_key, /*approx=*/false) != nullptr;
    if (is_key || std::find(option.value.begin(), option.value.end(), "") == option.value.end())
      continue;
    const bool positional = option.position_key >= 0;
    throw UsageError((positional ? "" : "--") + option.string_key, "is empty",
                     fmt::format("usage: mmusim {}", usage_));
  }
}

std::vector<std::pair<std::string, std::string>> Arguments::outputs() const {
  std::vector<std::pair<std::string, std::string>> files;
  for (const po::option& option : parsed_.options) {
    const po::option_description* const known =
        options_.find_nothrow(option.string_key, /*approx=*/false);
    if (known == nullptr || known->semantic()->name() != "FILE") continue;
    for (const std::string& value : option.value)
      if (value != "-") files.emplace_back("--" + option.string_key, value);
  }
  return files;
}

void Arguments::refuse_outputs_over(const Words& inputs) const {
  for (const auto& [option, file] : outputs())
    if (option != "--" + replacing_) refuse_output_over(inputs, file, option);
}

// Whatever is named that is no file to be made may be one to be read, also in a list, or behind a
// machine's name.
void Arguments::refuse_overlaps() const {
  const auto files = outputs();
  for (auto one = files.begin(); one != files.end(); ++one)
    for (auto other = std::next(one); other != files.end(); ++other)
      if (one->second == other->second && may_be_regular(one->second))
        throw UsageError(other->first,
                         fmt::format("'{}' is what {} makes, too", other->second, one->first),
                         "name another file");
  if (files.empty()) return;
  Words inputs = found_;
  for (const po::option& option : parsed_.options) {
    if (std::any_of(files.begin(), files.end(),
                    [&](const auto& file) { return file.first == "--" + option.string_key; }))
      continue;
    for (const std::string& value : option.value) {
      inputs.push_back(value);
      for (size_t begin = 0; begin <= value.size();) {
        const size_t end = std::min(value.find_first_of(",=", begin), value.size());
        inputs.push_back(value.substr(begin, end - begin));
        begin = end + 1;
      }
    }
  }
  refuse_outputs_over(inputs);
}

bool Arguments::parse(const Words& words) {
  if (!read(words)) {
    if (wanted_help != nullptr) {
      *wanted_help = described();
    } else {
      print(asked_);
    }
    return false;
  }
  if (!required_.empty() && !has(required_) && (alone_.empty() || !has(alone_))) {
    throw UsageError("", fmt::format("{} is missing", required_),
                     fmt::format("usage: mmusim {}", usage_));
  }
  refuse_overlaps();
  return true;
}

void Arguments::find_positional() {
  found_.clear();
  if (required_.empty() || !has(required_)) return;
  for (const std::string& word : values_[required_].as<Words>())
    found_.push_back(find_named(required_, word, required_));
}

void Arguments::look(const Words& words) {
  Words known;
  std::string behind;  // a key without a =: its value, or, where a flag needs none, the argument
  for (size_t i = 0; i < words.size(); ++i) {
    const std::string& word = words[i];
    std::string section;
    if (asks_for_keys(words, i, section)) {
      if (word == kKeyHelp && !section.empty()) ++i;
      continue;
    }
    if (word == "--help" || word == "-h") continue;
    const size_t end = std::min(word.find('='), word.size());
    if (!word.starts_with("--") || !schema_->passes_over(word.substr(2, end - 2))) {
      known.push_back(word);
    } else if (end == word.size() && i + 1 < words.size() && !words[i + 1].starts_with('-')) {
      behind = words[++i];
    }
  }
  if (!read(known) || behind.empty() || has(required_)) return;
  known.push_back(behind);
  static_cast<void>(read(known));
}

void Arguments::unknown(const std::string& option) const {
  // Boost gives the word as it was typed, with its value.
  const std::string word = option.substr(0, option.find('='));
  const std::string name = word.substr(std::min(word.find_first_not_of('-'), word.size()));
  // A name with dots is meant as a key: say the nearest, however far.
  if (schema_ != nullptr && name.find('.') != std::string::npos) {
    throw UsageError("", fmt::format("unknown key '{}'", name),
                     fmt::format("the nearest known key is '{}'", schema_->nearest(name)));
  }
  Words known;
  for (const auto& declared : options_.options())
    known.push_back("--" + declared->long_name());
  for (const auto& declared : keys_.options())
    known.push_back("--" + declared->long_name());
  const std::string hint = config::suggestion(word, known);
  throw UsageError("", fmt::format("unknown option '{}'", word),
                   hint.empty() ? fmt::format("usage: mmusim {}", usage_) : hint);
}

const std::string& Arguments::text(const std::string& name) const {
  const boost::any& value = values_[name].value();
  if (name == required_) return found_.front();
  if (const auto* one = boost::any_cast<std::string>(&value)) return *one;
  return texts(name).front();
}

const Words& Arguments::texts(const std::string& name) const {
  return name == required_ ? found_ : values_[name].as<Words>();
}

Words Arguments::list(const std::string& name) const {
  const std::string& whole = text(name);
  Words parts;
  for (const std::string_view item : list_items(whole)) {
    if (item.empty())
      throw UsageError("--" + name, fmt::format("'{}' has an empty place in its list", whole));
    parts.emplace_back(item);
  }
  return parts;
}

uint64_t Arguments::number(const std::string& name, uint64_t otherwise, uint64_t least,
                           uint64_t most) const {
  if (!has(name)) return otherwise;
  const auto value = parse_count(text(name));
  if (!value) {
    throw UsageError(
        "--" + name,
        fmt::format("'{}' is not a whole number (with K, M, G or T: of thousands, millions ...)",
                    text(name)));
  }
  if (*value < least || *value > most) {
    throw UsageError("--" + name,
                     fmt::format("{} is out of range (it takes {} to {})", *value, least, most));
  }
  return *value;
}

void Arguments::apply_keys(config::Config& config) const {
  config::apply_options(parsed_, config);
}

CommandHelp Arguments::described() const {
  const auto offered = [this](const std::string& name) {
    const auto found = offered_.find(name);
    return found == offered_.end() ? Words() : found->second;
  };
  CommandHelp help{.usage = usage_,
                   .text = text_,
                   .positional = required_,
                   .offered = offered(required_),
                   .options = {},
                   .keys = {},
                   .sections = sections()};
  for (const auto& option : options_.options()) {
    const std::string letter =
        option->canonical_display_name(po::command_line_style::allow_dash_for_short);
    help.options.push_back(
        {.name = option->long_name(),
         .letter = letter.starts_with("--") || !letter.starts_with('-') ? "" : letter.substr(1),
         .value = option->semantic()->max_tokens() == 0 ? "" : option->semantic()->name(),
         .text = option->description(),
         .offered = offered(option->long_name())});
  }
  if (schema_ == nullptr) return help;
  for (const config::Key& key : schema_->keys())
    help.keys.push_back(
        {key.name, key.type == config::Type::Flag ? Words{"true", "false"} : key.choices});
  return help;
}

Words Arguments::sections() const {
  Words sections;
  if (schema_ == nullptr) return sections;
  for (const config::Key& key : schema_->keys()) {
    const std::string section = first_part(key.name);
    if (std::find(sections.begin(), sections.end(), section) == sections.end())
      sections.push_back(section);
  }
  return sections;
}

std::string Arguments::help() const {
  std::ostringstream out;
  out << report::wrapped("usage: mmusim " + usage_, kWidth) << "\n\n"
      << report::wrapped(text_, kWidth) << "\n\n"
      << options_;
  if (schema_ == nullptr || sections().empty()) return out.str();
  out << "\n"
      << report::wrapped(
             fmt::format(
                 "Every configuration key is an option too (--tlb.l2.entries=512). {} SECTION "
                 "lists those of a section: {}.",
                 kKeyHelp, fmt::join(sections(), ", ")),
             kWidth)
      << "\n";
  return out.str();
}

std::string Arguments::key_help(const std::string& section) const {
  std::string out;
  std::string last;
  for (const config::Key& key : schema_->keys()) {
    const bool wanted =
        section.empty() || key.name == section || key.name.starts_with(section + ".");
    if (!wanted) continue;
    if (section_of(key.name) != last)
      out += fmt::format("{}[{}]\n", out.empty() ? "" : "\n", section_of(key.name));
    last = section_of(key.name);
    out += fmt::format("--{}={}\n", key.name, key.default_value);
    std::istringstream lines(report::wrapped(config::describe(key), kWidth - 4));
    for (std::string line; std::getline(lines, line);)
      out += fmt::format("    {}\n", line);
  }
  if (!out.empty()) return out;
  Words sections;
  for (const config::Key& key : schema_->keys())
    for (const std::string& name : {section_of(key.name), first_part(key.name)})
      sections.push_back(name);
  throw UsageError(kKeyHelp, fmt::format("no keys begin with '{}'", section),
                   config::suggestion(section, sections));
}

}  // namespace mmusim::cli
