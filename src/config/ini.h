// The text format of configurations: [section] lines, key = value lines, # comments.
//
// A value runs to the end of its line or to a # that follows white space, without the white space
// around it. In double quotes it is taken as it is, with \" \\ \n \r \t. A key before the first
// section is written in full (tlb.l2.entries = 512); below [tlb.l2] it is just entries. Used by
// config/, and by what has files of the same form.
#ifndef MMUSIM_CONFIG_INI_H_
#define MMUSIM_CONFIG_INI_H_

#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

namespace mmusim::config {

struct IniSetting {
  std::string key;  // in full: section.name
  std::string value;
  size_t line = 0;      // from 1
  std::string comment;  // what follows the value behind a #, on its line
};

// Errors: UsageError naming `file` and line, also for a key given twice.
std::vector<IniSetting> parse_ini(std::string_view text, const std::string& file);

// The text of such a file. Errors: UsageError naming `path`.
std::string read_ini(const std::string& path);

// `value` as it must be written for parse_ini to read it back.
std::string ini_value(std::string_view value);

}  // namespace mmusim::config

#endif  // MMUSIM_CONFIG_INI_H_
