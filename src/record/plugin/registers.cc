#include "record/plugin/registers.h"

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <dlfcn.h>
#include <malloc.h>

namespace mmusim::record::plugin {
namespace {

using DumpState = void (*)(void* cpu, FILE* file, int flags);

DumpState dump_state() {
  static const auto found = reinterpret_cast<DumpState>(dlsym(RTLD_DEFAULT, "cpu_dump_state"));
  return found;
}

// A variable of each thread: the address is looked up in the thread that asks.
void* current_cpu() {
  const void* const variable = dlsym(RTLD_DEFAULT, "thread_cpu");
  return variable != nullptr ? *static_cast<void* const*>(variable) : nullptr;
}

// `bytes` of QEMU's CPU, from so many on; it has it from malloc, as one object.
uint64_t number_in_cpu(const void* cpu, size_t place, size_t bytes) {
  uint64_t number = 0;
  std::memcpy(&number, static_cast<const char*>(cpu) + place * bytes, bytes);
  return number;
}
size_t cpu_bytes(void* cpu) {
  return malloc_usable_size(cpu);
}

constexpr unsigned kWindows = 8;
constexpr unsigned kWindowWords = 16;
constexpr unsigned kStackPointer = 6;  // of a window's outs
constexpr uint64_t kStackBias = 2047;

}  // namespace

bool can_read_registers() {
  return dump_state() != nullptr && dlsym(RTLD_DEFAULT, "thread_cpu") != nullptr;
}

std::string dumped_registers() {
  void* const cpu = can_read_registers() ? current_cpu() : nullptr;
  if (cpu == nullptr) return "";
  char* text = nullptr;
  size_t bytes = 0;
  FILE* const file = open_memstream(&text, &bytes);
  if (file == nullptr) return "";
  dump_state()(cpu, file, 0);
  fclose(file);
  std::string dumped(text, bytes);
  std::free(text);
  return dumped;
}

void numbers_behind(std::string_view text, std::string_view label, size_t most,
                    std::vector<uint64_t>& numbers) {
  size_t at = text.find(label);
  if (at == std::string_view::npos) return;
  at += label.size();
  while (most-- != 0) {
    while (at < text.size() && text[at] == ' ')
      ++at;
    const char* const begin = text.data() + at;
    char* end = nullptr;
    const uint64_t number = std::strtoull(begin, &end, 16);  // the text ends with a 0
    if (end == begin) return;
    numbers.push_back(number);
    at += static_cast<size_t>(end - begin);
  }
}

const uint64_t* only_place_of(const std::vector<uint64_t>& words) {
  auto* const cpu = static_cast<uint64_t*>(current_cpu());
  if (cpu == nullptr || words.empty()) return nullptr;
  const size_t count = cpu_bytes(cpu) / sizeof(uint64_t);
  const uint64_t* found = nullptr;
  for (size_t i = 0; i + words.size() <= count; ++i) {
    if (std::memcmp(cpu + i, words.data(), words.size() * sizeof(uint64_t)) != 0) continue;
    if (found != nullptr) return nullptr;
    found = cpu + i;
  }
  return found;
}

std::optional<uint64_t> ProgramCounter::read(const Isa& isa) {
  constexpr unsigned kSure = 4;  // times it was in one place only
  const size_t bytes = isa.wide ? 8 : 4;
  if (count_ == 1 && looked_ >= kSure) {
    const void* const cpu = current_cpu();
    return cpu != nullptr ? std::optional(number_in_cpu(cpu, places_.front(), bytes))
                          : std::nullopt;
  }
  std::vector<uint64_t> found;
  numbers_behind(dumped_registers(), isa.pc_label, 1, found);
  if (found.empty()) return std::nullopt;
  find(found.front(), bytes);
  return found.front();
}

void ProgramCounter::find(uint64_t value, size_t bytes) {
  void* const cpu = current_cpu();
  if (looked_++ == 0) {
    for (uint32_t place = 0; place < cpu_bytes(cpu) / bytes && count_ != places_.size(); ++place)
      if (number_in_cpu(cpu, place, bytes) == value) places_[count_++] = place;
    return;
  }
  const auto end = std::remove_if(places_.begin(), places_.begin() + count_, [&](uint32_t place) {
    return number_in_cpu(cpu, place, bytes) != value;
  });
  count_ = static_cast<unsigned>(end - places_.begin());
}

std::optional<uint64_t> GeneralRegisters::read(bool power, unsigned number) {
  if (at_ != nullptr) return at_[number];
  const std::string text = dumped_registers();
  std::vector<uint64_t> all;
  if (power) {
    for (const char* const label :
         {"GPR00", "GPR04", "GPR08", "GPR12", "GPR16", "GPR20", "GPR24", "GPR28"})
      numbers_behind(text, label, 4, all);
    if (all.size() != 32) return std::nullopt;
  } else {
    for (unsigned i = 0; i < 31; ++i) {
      const char label[] = {'X', static_cast<char>('0' + i / 10), static_cast<char>('0' + i % 10),
                            '=', 0};
      numbers_behind(text, label, 1, all);
    }
    if (all.size() != 31) return std::nullopt;
  }
  at_ = only_place_of(all);
  return number < all.size() ? std::optional(all[number]) : std::nullopt;
}

std::optional<unsigned> RegisterWindows::resident() {
  const std::string text = dumped_registers();
  std::vector<uint64_t> number;
  numbers_behind(text, "canrestore:", 1, number);
  if (number.size() != 1 || number.front() >= kWindows) return std::nullopt;
  return static_cast<unsigned>(number.front());
}

void RegisterWindows::find() {
  looked_ = true;
  const std::string text = dumped_registers();
  std::vector<uint64_t> window;
  for (const char* const label : {"%o0-3:", "%o4-7:", "%l0-3:", "%l4-7:", "%i0-3:", "%i4-7:"})
    numbers_behind(text, label, 4, window);
  std::vector<uint64_t>
      state;  // how many windows there are, and, counted from the last, the current
  for (const char* const label : {"cansave:", "canrestore:", "otherwin:", "cwp:"})
    numbers_behind(text, label, 1, state);
  if (window.size() != 24 || state.size() != 4 || state[0] + state[1] + state[2] != kWindows - 2 ||
      state[3] >= kWindows)
    return;
  const uint64_t* const current = only_place_of(window);
  if (current == nullptr) return;
  current_ = only_place_of({reinterpret_cast<uint64_t>(current)});
  base_ = current - uint64_t{kWindowWords} * (kWindows - 1 - state[3]);
}

std::optional<uint64_t> RegisterWindows::place(unsigned up) {
  if (!looked_) find();
  if (current_ == nullptr) return std::nullopt;
  const auto* const current = reinterpret_cast<const uint64_t*>(*current_);
  const auto number = static_cast<unsigned>((current - base_) / kWindowWords);
  if (current < base_ || number >= kWindows) return std::nullopt;
  unsigned word = ((number + up) % kWindows) * kWindowWords + kStackPointer;
  // The last window's ins are not the first's outs, but lie behind all.
  if (word < 8 && number == kWindows - 1) word += kWindows * kWindowWords;
  const uint64_t pointer = base_[word];
  if (pointer == 0) return std::nullopt;
  return (pointer & 3) != 0 ? pointer + kStackBias : pointer;
}

}  // namespace mmusim::record::plugin
