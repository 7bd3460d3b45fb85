// How the text of a value is read for each type of key. Internal to config/.
#ifndef MMUSIM_CONFIG_VALUE_H_
#define MMUSIM_CONFIG_VALUE_H_

#include <cstdint>
#include <string>
#include <string_view>

#include "config/schema.h"

namespace mmusim::config {

struct ParsedValue {
  std::string text;     // canonical: two ways to write one value give the same text
  uint64_t number = 0;  // Number, Size; Flag: 0 or 1
  std::string problem;  // why the text is no value of the key; "": it is one
};

ParsedValue parse_value(const Key& key, std::string_view text);

// What may be given for the key, for messages and help: "1 to 64", "true or false", "lru, fifo".
std::string allowed_values(const Key& key);

}  // namespace mmusim::config

#endif  // MMUSIM_CONFIG_VALUE_H_
