#include "config/options.h"

#include <boost/make_shared.hpp>
#include <boost/program_options/value_semantic.hpp>
#include <fmt/format.h>

#include "config/ini.h"
#include "config/value.h"

namespace mmusim::config {
namespace po = boost::program_options;

std::string describe(const Key& key) {
  std::string text = key.help;
  if (key.type == Type::Choice) {
    text += fmt::format(" One of: {}.", allowed_values(key));
  } else if (key.type == Type::Number || key.type == Type::Count || key.type == Type::Size) {
    const bool bounded = key.least != 0 || key.most != std::numeric_limits<uint64_t>::max();
    if (bounded) text += fmt::format(" Takes {}.", allowed_values(key));
  }
  return text;
}

void add_options(const Schema& schema, po::options_description& description) {
  for (const Key& key : schema.keys()) {
    auto* semantic = po::value<std::vector<std::string>>();
    switch (key.type) {
      case Type::Number:
      case Type::Count:
        semantic->value_name(fmt::format("NUMBER (={})", key.default_value));
        break;
      case Type::Size:
        semantic->value_name(fmt::format("SIZE (={})", key.default_value));
        break;
      case Type::Flag:
        semantic->value_name("BOOL")->implicit_value({"true"}, key.default_value);
        break;
      case Type::Choice:
        semantic->value_name(fmt::format("CHOICE (={})", key.default_value));
        break;
      case Type::Text:
        semantic->value_name(key.default_value.empty()
                                 ? std::string("TEXT")
                                 : fmt::format("TEXT (={})", ini_value(key.default_value)));
        break;
    }
    description.add(boost::make_shared<po::option_description>(key.name.c_str(), semantic,
                                                               describe(key).c_str()));
  }
}

void apply_options(const po::parsed_options& parsed, Config& config) {
  for (const po::option& option : parsed.options) {
    if (config.schema().find(option.string_key) == nullptr) continue;
    const bool bare = option.value.empty();  // a flag without a value
    config.set(option.string_key, bare ? "true" : option.value.back(), "--" + option.string_key);
  }
}

}  // namespace mmusim::config
