// JSON as results documents are written and read: the two ways of text, and back.
//
// Compiled once, since nlohmann's reader and writer take a compiler seconds in each file that calls
// them. Bytes of a text that are no UTF-8 become U+FFFD. Stateless.
#ifndef MMUSIM_STATS_JSON_H_
#define MMUSIM_STATS_JSON_H_

#include <nlohmann/json_fwd.hpp>
#include <string>
#include <string_view>

namespace mmusim::stats {

using Json = nlohmann::ordered_json;  // members stay as they were put in

// A document: indented by two spaces, with a line end.
std::string document_text(const Json& document);
// In one line, without blanks.
std::string compact_text(const Json& json);
// A string without its quotes; all else so.
std::string value_text(const Json& json);

// Errors: nlohmann's parse_error.
Json parse_json(std::string_view text);

}  // namespace mmusim::stats

#endif  // MMUSIM_STATS_JSON_H_
