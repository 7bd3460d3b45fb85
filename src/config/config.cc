// Config: values from files and the command line, checked against the schema.
#include <utility>

#include "base/error.h"
#include "config/ini.h"
#include "config/schema.h"
#include "config/value.h"

namespace mmusim::config {
namespace {

std::string_view section_of(std::string_view name) {
  return name.substr(0, name.rfind('.'));
}

}  // namespace

Config::Config(const Schema& schema) : schema_(&schema), values_(schema.keys().size()) {
  for (const Key& key : schema.keys())
    set(key.name, key.default_value, "default");
}

void Config::set(std::string_view name, std::string_view value, const std::string& where,
                 std::string remark) {
  const Key* key = schema_->find(name);
  if (key == nullptr) {
    if (schema_->passes_over(name)) return;
    const std::string nearest = schema_->nearest(name);
    throw UsageError(where, fmt::format("unknown key '{}'", name.substr(0, 100)),
                     nearest.empty() ? "" : fmt::format("the nearest known key is '{}'", nearest));
  }
  ParsedValue parsed = parse_value(*key, value);
  if (!parsed.problem.empty()) {
    throw UsageError(where, fmt::format("{}: {}", name, parsed.problem));
  }
  values_[static_cast<size_t>(key - schema_->keys().data())] = {
      std::move(parsed.text), parsed.number, where, std::move(remark)};
}

void Config::load(const std::string& path) {
  load_text(read_ini(path), path);
}

void Config::load_text(std::string_view text, const std::string& name) {
  for (const IniSetting& setting : parse_ini(text, name)) {
    set(setting.key, setting.value, fmt::format("{}:{}", name, setting.line), setting.comment);
  }
}

const Config::Value& Config::value(std::string_view name, Type type) const {
  const Key* key = schema_->find(name);
  MMUSIM_ASSERT(key != nullptr && key->type == type);
  return values_[static_cast<size_t>(key - schema_->keys().data())];
}

uint64_t Config::number(std::string_view name) const {
  return value(name, Type::Number).number;
}
std::optional<uint64_t> Config::number_if(std::string_view name) const {
  const Value& found = value(name, Type::Number);
  if (found.text == schema_->find(name)->word) return std::nullopt;
  return found.number;
}
uint64_t Config::count(std::string_view name) const {
  return value(name, Type::Count).number;
}
uint64_t Config::size(std::string_view name) const {
  return value(name, Type::Size).number;
}
bool Config::flag(std::string_view name) const {
  return value(name, Type::Flag).number != 0;
}
const std::string& Config::choice(std::string_view name) const {
  return value(name, Type::Choice).text;
}
const std::string& Config::text(std::string_view name) const {
  return value(name, Type::Text).text;
}

const std::string& Config::value_text(std::string_view name) const {
  const Key* key = schema_->find(name);
  MMUSIM_ASSERT(key != nullptr);
  return value(name, key->type).text;
}

std::string Config::place_of(std::string_view name) const {
  const std::string& from = origin(name);
  if (from.empty() || from == "default") return std::string(name);
  return from == fmt::format("--{}", name) ? from : fmt::format("{}: {}", from, name);
}

const std::string& Config::origin(std::string_view name) const {
  const Key* key = schema_->find(name);
  MMUSIM_ASSERT(key != nullptr);
  return value(name, key->type).origin;
}

const std::string& Config::remark(std::string_view name) const {
  const Key* key = schema_->find(name);
  MMUSIM_ASSERT(key != nullptr);
  return value(name, key->type).remark;
}

std::string Config::effective() const {
  // Sections in the order their first key was declared, each once.
  std::vector<std::pair<std::string_view, std::string>> sections;
  std::map<std::string_view, size_t> index;
  const std::vector<Key>& keys = schema_->keys();
  for (size_t i = 0; i < keys.size(); ++i) {
    const std::string_view section = section_of(keys[i].name);
    const auto [at, fresh] = index.emplace(section, sections.size());
    if (fresh) sections.emplace_back(section, "");
    sections[at->second].second += fmt::format("{} = {}\n", keys[i].name.substr(section.size() + 1),
                                               ini_value(values_[i].text));
  }
  std::string text;
  for (const auto& [section, lines] : sections) {
    text += fmt::format("{}[{}]\n{}", text.empty() ? "" : "\n", section, lines);
  }
  return text;
}

}  // namespace mmusim::config
