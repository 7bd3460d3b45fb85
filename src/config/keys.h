// The keys of one struct of options, each bound to the field it fills: name, default, bounds, text
// and field stand in one declaration. From it come the schema (declare) and the struct (read), so
// that neither can know a key, a default or a bound that the other does not.
//
//     struct Options {
//       uint64_t ways = 4;                       // the default, here and nowhere else
//       Order order = Order::Lru;
//       static const config::Keys<Options>& keys();
//     };
//
//     const config::Keys<Options>& Options::keys() {
//       static const auto kKeys = config::Keys<Options>()
//           .number("tlb.ways", &Options::ways, "Ways of each set.", 1, 64)
//           .choice("tlb.order", &Options::order, {{"lru", Order::Lru}, {"fifo", Order::Fifo}},
//                   "Which entry goes.")
//           .power_of_two("tlb.ways", &Options::ways, "sets are found by bits of an address");
//       return kKeys;
//     }
//
// A field is a pointer to a member, or anything else that gives a reference to it when called with
// the struct: `[](auto& o) -> auto& { return o.caches[1].ways; }`. Rules are checked by read(), in
// order, and say what holds between values. Building is not thread-safe; declare() and read() are.
#ifndef MMUSIM_CONFIG_KEYS_H_
#define MMUSIM_CONFIG_KEYS_H_

#include <cstdint>
#include <fmt/format.h>
#include <functional>
#include <initializer_list>
#include <limits>
#include <string>
#include <type_traits>
#include <utility>
#include <vector>

#include "base/bits.h"
#include "base/error.h"
#include "config/schema.h"

namespace mmusim::config {

// A word of the user's and the value it stands for.
template <class Value>
struct Named {
  const char* name;
  Value value;
};

template <class T>
class Keys {
  template <class Field>
  using ValueOf = std::remove_cvref_t<std::invoke_result_t<const Field&, T&>>;

  template <class Field>
  static constexpr uint64_t most_of() {
    static_assert(std::is_unsigned_v<ValueOf<Field>>, "numbers are unsigned");
    return std::numeric_limits<ValueOf<Field>>::max();
  }

 public:
  // `defaults`: what each field is where nobody sets its key.
  explicit Keys(T defaults = T{}) : defaults_(std::move(defaults)) {}

  // REQUIRES (all): as Schema's; `most` fits the field.
  template <class Field>
  Keys& number(const std::string& name, Field field, const std::string& help, uint64_t least = 0,
               uint64_t most = most_of<Field>()) {
    return integer<&Schema::number, &Config::number>(name, field, help, least, most);
  }
  template <class Field>
  Keys& count(const std::string& name, Field field, const std::string& help, uint64_t least = 0,
              uint64_t most = most_of<Field>()) {
    return integer<&Schema::count, &Config::count>(name, field, help, least, most);
  }
  // Bytes.
  template <class Field>
  Keys& size(const std::string& name, Field field, const std::string& help, uint64_t least = 0,
             uint64_t most = most_of<Field>()) {
    return integer<&Schema::size, &Config::size>(name, field, help, least, most);
  }
  // A field that is a std::optional: nothing where `word` stands, which is the default.
  template <class Field>
  Keys& number_or(const std::string& name, const std::string& word, Field field,
                  const std::string& help, uint64_t least = 0,
                  uint64_t most = std::numeric_limits<uint64_t>::max()) {
    MMUSIM_ASSERT(!std::invoke(field, defaults_).has_value());
    return bind(
        [=](Schema& schema) { schema.number_or(name, word, help, least, most); },
        [=](const Config& config, T& out) { std::invoke(field, out) = config.number_if(name); });
  }
  template <class Field>
  Keys& flag(const std::string& name, Field field, const std::string& help) {
    return bind([=, value = std::invoke(field, defaults_)](
                    Schema& schema) { schema.flag(name, value, help); },
                [=](const Config& config, T& out) { std::invoke(field, out) = config.flag(name); });
  }
  template <class Field>
  Keys& text(const std::string& name, Field field, const std::string& help) {
    return bind([=, value = std::string(std::invoke(field, defaults_))](
                    Schema& schema) { schema.text(name, value, help); },
                [=](const Config& config, T& out) { std::invoke(field, out) = config.text(name); });
  }
  // REQUIRES: the default is among the values.
  template <class Field>
  Keys& choice(const std::string& name, Field field, std::vector<Named<ValueOf<Field>>> values,
               const std::string& help) {
    std::string standard;
    std::vector<std::string> names;
    for (const auto& [word, value] : values) {
      if (value == std::invoke(field, defaults_)) standard = word;
      names.emplace_back(word);
    }
    return bind([=](Schema& schema) { schema.choice(name, standard, names, help); },
                [=, values = std::move(values)](const Config& config, T& out) {
                  const std::string& chosen = config.choice(name);
                  for (const auto& [word, value] : values)
                    if (chosen == word) std::invoke(field, out) = value;
                });
  }
  // One of the words, or a path: a text. REQUIRES: the default is among the words.
  template <class Field>
  Keys& choice_or_path(const std::string& name, Field field, const std::vector<std::string>& words,
                       const std::string& help) {
    return bind(
        [=, value = std::string(std::invoke(field, defaults_))](Schema& schema) {
          schema.choice_or_path(name, value, words, help);
        },
        [=](const Config& config, T& out) { std::invoke(field, out) = config.choice(name); });
  }
  // What a part of the struct declares and reads by itself; either may be left out.
  Keys& part(std::function<void(Schema&)> declare, std::function<void(const Config&, T&)> read) {
    return bind(std::move(declare), std::move(read));
  }
  // More of the struct's keys.
  Keys& join(const Keys& more) {
    bound_.insert(bound_.end(), more.bound_.begin(), more.bound_.end());
    return *this;
  }

  // What must hold of the values together: `problem(options)` says what is wrong with this key's,
  // "" that nothing is. `advice` may be empty.
  template <class Problem>
  Keys& rule(const std::string& name, Problem problem, const std::string& advice = "") {
    return bind(nullptr, [=](const Config& config, T& out) {
      if (const std::string what = problem(std::as_const(out)); !what.empty())
        throw UsageError(config.place_of(name), what, advice);
    });
  }
  // `why` follows what is wrong: "48 is not a power of two: `why`". 0 passes.
  template <class Field>
  Keys& power_of_two(const std::string& name, Field field, const std::string& why) {
    return bind(nullptr, [=](const Config& config, T& out) {
      const uint64_t value = std::invoke(field, out);
      if (value != 0 && !is_power_of_two(value))
        throw UsageError(config.place_of(name),
                         fmt::format("{} is not a power of two: {}", config.value_text(name), why));
    });
  }

  void declare(Schema& schema) const {
    for (const Bound& key : bound_)
      if (key.declare) key.declare(schema);
  }
  // REQUIRES: declared in the schema of `config`. Errors: UsageError where a rule is broken, with
  // where the value came from.
  [[nodiscard]] T read(const Config& config) const {
    T out = defaults_;
    for (const Bound& key : bound_)
      if (key.read) key.read(config, out);
    return out;
  }

 private:
  struct Bound {
    std::function<void(Schema&)> declare;  // none: a rule, or what is worked out at the end
    std::function<void(const Config&, T&)> read;
  };

  Keys& bind(std::function<void(Schema&)> declare, std::function<void(const Config&, T&)> read) {
    bound_.push_back({std::move(declare), std::move(read)});
    return *this;
  }

  template <auto kDeclare, auto kRead, class Field>
  Keys& integer(const std::string& name, Field field, const std::string& help, uint64_t least,
                uint64_t most) {
    MMUSIM_ASSERT(most <= most_of<Field>());
    return bind([=, value = uint64_t{std::invoke(field, defaults_)}](
                    Schema& schema) { (schema.*kDeclare)(name, value, help, least, most); },
                [=](const Config& config, T& out) {
                  std::invoke(field, out) = static_cast<ValueOf<Field>>((config.*kRead)(name));
                });
  }

  T defaults_;
  std::vector<Bound> bound_;
};

}  // namespace mmusim::config

#endif  // MMUSIM_CONFIG_KEYS_H_
