// The fuzzer's bytes as a source of choices. Past the end everything is 0, so that each input means
// something; a longer one only goes on.
#ifndef MMUSIM_TESTS_FUZZ_INPUT_H_
#define MMUSIM_TESTS_FUZZ_INPUT_H_

#include <cstddef>
#include <cstdint>
#include <span>
#include <string_view>
#include <vector>

namespace mmusim::fuzz {

class Input {
 public:
  explicit Input(std::span<const uint8_t> bytes) : bytes_(bytes) {}

  [[nodiscard]] bool at_end() const { return bytes_.empty(); }
  uint8_t byte() {
    if (at_end()) return 0;
    const uint8_t value = bytes_.front();
    bytes_ = bytes_.subspan(1);
    return value;
  }
  // Little-endian.
  uint64_t number(unsigned bytes) {
    uint64_t value = 0;
    for (unsigned i = 0; i < bytes; ++i)
      value |= uint64_t{byte()} << (8 * i);
    return value;
  }
  // One of them. REQUIRES: there is one.
  template <class Items>
  const auto& one_of(const Items& items) {
    return items[byte() % std::size(items)];
  }
  // What is left, as text.
  [[nodiscard]] std::string_view text() const {
    return {reinterpret_cast<const char*>(bytes_.data()), bytes_.size()};
  }

 private:
  std::span<const uint8_t> bytes_;
};

}  // namespace mmusim::fuzz

#endif  // MMUSIM_TESTS_FUZZ_INPUT_H_
