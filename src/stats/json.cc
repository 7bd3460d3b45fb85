#include "stats/json.h"

#include <nlohmann/json.hpp>

namespace mmusim::stats {

std::string document_text(const Json& document) {
  return document.dump(2, ' ', false, Json::error_handler_t::replace) + "\n";
}

std::string compact_text(const Json& json) {
  return json.dump(-1, ' ', false, Json::error_handler_t::replace);
}

std::string value_text(const Json& json) {
  return json.is_string() ? json.get<std::string>() : compact_text(json);
}

Json parse_json(std::string_view text) {
  return Json::parse(text);
}

}  // namespace mmusim::stats
