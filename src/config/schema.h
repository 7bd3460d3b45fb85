// Configuration keys: declared once, and from that one declaration parsed from INI files and the
// command line, checked, explained in --help and the reference, and written back as the effective
// configuration.
//
// A key is "section.name" with as many dots as it likes (tlb.l2.entries). A module binds its keys
// to the fields of a struct (config/keys.h); nothing else knows them. Not thread-safe while being
// built; read-only use afterwards is.
#ifndef MMUSIM_CONFIG_SCHEMA_H_
#define MMUSIM_CONFIG_SCHEMA_H_

#include <cstddef>
#include <cstdint>
#include <functional>
#include <limits>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace mmusim::config {

// Count is a Number that may be large and is written with K, M, G, T for powers of 1000.
enum class Type { Number, Count, Size, Flag, Choice, Text };

struct Key {
  std::string name;
  Type type = Type::Text;
  std::string default_value;  // as it would be written in a file
  std::string help;           // one sentence or two, with the unit
  uint64_t least = 0;         // Number, Count and Size: allowed range
  uint64_t most = std::numeric_limits<uint64_t>::max();
  std::vector<std::string> choices;  // Choice
  bool or_path = false;              // Choice: anything with a / in it is taken too
  std::string word = {};             // Number: taken in place of one; "": nothing is
};

class Schema {
 public:
  // REQUIRES (all): name not yet declared; the default is allowed.
  void number(std::string name, uint64_t value, std::string help, uint64_t least = 0,
              uint64_t most = std::numeric_limits<uint64_t>::max());
  // A number, or `word`, which is the default and means what `help` says.
  void number_or(std::string name, std::string word, std::string help, uint64_t least = 0,
                 uint64_t most = std::numeric_limits<uint64_t>::max());
  void count(std::string name, uint64_t value, std::string help, uint64_t least = 0,
             uint64_t most = std::numeric_limits<uint64_t>::max());
  void size(std::string name, uint64_t bytes, std::string help, uint64_t least = 0,
            uint64_t most = std::numeric_limits<uint64_t>::max());
  void flag(std::string name, bool value, std::string help);
  void choice(std::string name, std::string value, std::vector<std::string> choices,
              std::string help);
  // One of the choices, or a path, which has a / in it.
  void choice_or_path(std::string name, std::string value, std::vector<std::string> choices,
                      std::string help);
  void text(std::string name, std::string value, std::string help);

  // Settings of undeclared keys that begin so are passed over: for a first look at a configuration
  // that itself says who else declares keys.
  void pass_over(std::string prefix) { passed_over_ = std::move(prefix); }
  // Whether `name` is undeclared and passed over.
  [[nodiscard]] bool passes_over(std::string_view name) const {
    return !passed_over_.empty() && name.starts_with(passed_over_) && find(name) == nullptr;
  }

  [[nodiscard]] const Key* find(std::string_view name) const;
  // The declared name with the least edit distance to `name`; "" for an empty schema.
  [[nodiscard]] std::string nearest(std::string_view name) const;
  [[nodiscard]] const std::vector<Key>& keys() const { return keys_; }  // in order of declaration

 private:
  void add(Key key);

  std::vector<Key> keys_;
  std::map<std::string, size_t, std::less<>> index_;
  std::string passed_over_;
};

// Values for a schema's keys. Later settings win; each value remembers where it came from, for
// messages.
class Config {
 public:
  // `schema` must outlive the Config.
  explicit Config(const Schema& schema);

  // Sets one key. `where` names the source ("skylake.cfg:12", "--tlb.l2.entries").
  // Errors: UsageError for an unknown key (with the nearest known one), or a value that is not of
  // the key's type or range. `remark` is what the source says of the value: the comment behind it.
  void set(std::string_view name, std::string_view value, const std::string& where,
           std::string remark = "");

  // Reads an INI file: [section] lines, key = value, # comments. Errors: UsageError with file and
  // line, also for a key given twice in the file or a file that cannot be read.
  void load(const std::string& path);
  // The same from text; `name` stands for the path in messages.
  void load_text(std::string_view text, const std::string& name);

  // REQUIRES (all): declared with that type.
  [[nodiscard]] uint64_t number(std::string_view name) const;
  // Of number_or(): nothing where the word stands.
  [[nodiscard]] std::optional<uint64_t> number_if(std::string_view name) const;
  [[nodiscard]] uint64_t count(std::string_view name) const;
  [[nodiscard]] uint64_t size(std::string_view name) const;
  [[nodiscard]] bool flag(std::string_view name) const;
  [[nodiscard]] const std::string& choice(std::string_view name) const;
  [[nodiscard]] const std::string& text(std::string_view name) const;

  // The value as it would be written in a file. REQUIRES: declared.
  [[nodiscard]] const std::string& value_text(std::string_view name) const;

  // For messages: the key, behind where its value was set if it was ("skylake.cfg:12: tlb.ways").
  [[nodiscard]] std::string place_of(std::string_view name) const;

  // Where the value came from: "default", or what set() was told.
  [[nodiscard]] const std::string& origin(std::string_view name) const;

  // What stands in a comment behind the value, where it came from: "[HRM]", "assumed". May be "".
  [[nodiscard]] const std::string& remark(std::string_view name) const;

  // Every key with its value as an INI text that load_text reads back to the same Config.
  // Deterministic.
  [[nodiscard]] std::string effective() const;

  [[nodiscard]] const Schema& schema() const { return *schema_; }

 private:
  struct Value {
    std::string text;
    uint64_t number = 0;
    std::string origin;
    std::string remark;
  };
  [[nodiscard]] const Value& value(std::string_view name, Type type) const;

  const Schema* schema_;
  std::vector<Value> values_;  // parallel to schema_->keys()
};

}  // namespace mmusim::config

#endif  // MMUSIM_CONFIG_SCHEMA_H_
