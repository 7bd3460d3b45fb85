// What 'trace import' and 'trace export' share: formats found by name, their keys, and what is said
// of a result.
#ifndef MMUSIM_CLI_FORMATS_H_
#define MMUSIM_CLI_FORMATS_H_

#include <fmt/format.h>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/error.h"
#include "cli/command.h"
#include "config/nearest.h"
#include "config/schema.h"
#include "trace/remark.h"

namespace mmusim::cli {

template <class Format>
Words names_of(std::span<const Format> all) {
  Words names;
  for (const Format& format : all)
    names.emplace_back(format.name);
  return names;
}

// Errors: UsageError for a name that is none, which `option` gave.
template <class Format>
const Format& format_named(std::span<const Format> all, const std::string& name,
                           const std::string& option) {
  for (const Format& format : all)
    if (name == format.name) return format;
  const std::string hint = config::suggestion(name, names_of(all));
  throw UsageError(option, fmt::format("unknown format '{}'", name),
                   hint.empty() ? "'mmusim list formats' shows what there is" : hint);
}

inline constexpr const char* kFormatHelp = "help-format";  // an option of both

// What is printed for it: `text` and the keys with their defaults.
std::string help_of_format(std::string_view name, std::string_view summary, std::string_view text,
                           const config::Schema& schema);

// Keys of other formats than `format` would do nothing. `command` is "import" or "export". Errors:
// UsageError.
void refuse_foreign_keys(const config::Config& keys, std::string_view format,
                         std::string_view command);

// What was left out or taken for granted, on stderr.
void show_remarks(const std::vector<std::string>& warnings,
                  const std::vector<trace::Remark>& remarks);

}  // namespace mmusim::cli

#endif  // MMUSIM_CLI_FORMATS_H_
