#include "record/program.h"

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>
#include <elf.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>
#include <utility>

namespace mmusim::record {
namespace {

constexpr size_t kFirstBytes = 4096;  // of a file, looked at
constexpr size_t kScriptLine = 256;   // of which the kernel reads of a #! line
constexpr unsigned kMostScripts = 5;  // one calling the next

struct FirstBytes {
  std::array<char, kFirstBytes> bytes{};
  size_t size = 0;
};

Resolution failed(int error, const std::string& what) {
  return {Refusal::Errno, error, what};
}

Resolution look_at(const std::string& path, FirstBytes& first, int& file) {
  struct stat status {};
  if (stat(path.c_str(), &status) != 0) return failed(errno, path);
  if (!S_ISREG(status.st_mode)) return failed(EACCES, path);
  if (access(path.c_str(), X_OK) != 0) return failed(errno, path);
  const bool other_user = (status.st_mode & S_ISUID) != 0 && status.st_uid != geteuid();
  const bool other_group =
      (status.st_mode & (S_ISGID | S_IXGRP)) == (S_ISGID | S_IXGRP) && status.st_gid != getegid();
  if (other_user || other_group) return {Refusal::Privileged, 0, path};
  file = open(path.c_str(), O_RDONLY | O_CLOEXEC);
  if (file < 0) return {Refusal::Unreadable, errno, path};
  const ssize_t got = pread(file, first.bytes.data(), first.bytes.size(), 0);
  first.size = got < 0 ? 0 : static_cast<size_t>(got);
  return {};
}

template <class Integer>
Integer field(const char* at, bool big_endian) {
  std::array<unsigned char, sizeof(Integer)> bytes{};
  std::memcpy(bytes.data(), at, sizeof(Integer));
  if (big_endian) std::reverse(bytes.begin(), bytes.end());
  Integer value;
  std::memcpy(&value, bytes.data(), sizeof value);
  return value;
}

// Reads an ELF header (Header, Segment: of its class) from `first`.
template <class Header, class Segment>
void read_segments(const FirstBytes& first, bool big, Program& program) {
  if (first.size < sizeof(Header)) return;
  const char* const at = first.bytes.data();
  const auto type = field<uint16_t>(at + offsetof(Header, e_type), big);
  const uint64_t table = field<decltype(Header::e_phoff)>(at + offsetof(Header, e_phoff), big);
  const unsigned count = field<uint16_t>(at + offsetof(Header, e_phnum), big);
  if (type != ET_DYN || table > first.size) return;
  bool interpreter = false;
  uint64_t begin = UINT64_MAX;
  uint64_t end = 0;
  for (unsigned i = 0; i < count && table + (i + 1) * sizeof(Segment) <= first.size; ++i) {
    const char* const segment = at + table + i * sizeof(Segment);
    const auto kind = field<uint32_t>(segment + offsetof(Segment, p_type), big);
    if (kind == PT_INTERP) interpreter = true;
    if (kind != PT_LOAD) continue;
    const uint64_t address =
        field<decltype(Segment::p_vaddr)>(segment + offsetof(Segment, p_vaddr), big);
    const uint64_t bytes =
        field<decltype(Segment::p_memsz)>(segment + offsetof(Segment, p_memsz), big);
    begin = std::min(begin, address);
    end = std::max(end, address + bytes);
  }
  if (interpreter && begin < end) program.relocatable_bytes = end - begin;
}

// True if the file is a script; `words` are what its first line says.
bool script_words(const FirstBytes& first, std::vector<std::string>& words) {
  if (first.size < 3 || first.bytes[0] != '#' || first.bytes[1] != '!') return false;
  const char* const begin = first.bytes.data() + 2;
  const char* const end =
      std::find(begin, first.bytes.data() + std::min(first.size, kScriptLine), '\n');
  const auto blank = [](char c) { return c == ' ' || c == '\t'; };
  const char* at = std::find_if_not(begin, end, blank);
  const char* const stop = std::find_if(at, end, blank);
  if (at == stop) return false;
  words.emplace_back(at, stop);
  at = std::find_if_not(stop, end, blank);
  const char* last = end;
  while (last > at && blank(last[-1]))
    --last;
  if (at < last) words.emplace_back(at, last);
  return true;
}

// Commas separate what belongs to -plugin; a doubled one is itself.
std::string doubled_commas(const char* text) {
  std::string out;
  for (; *text != 0; ++text) {
    out += *text;
    if (*text == ',') out += ',';
  }
  return out;
}

}  // namespace

Resolution resolve(const std::string& path, std::vector<std::string> arguments, Program& program) {
  std::string file_path = path;
  for (unsigned depth = 0; depth <= kMostScripts; ++depth) {
    FirstBytes first;
    int file = -1;
    Resolution looked = look_at(file_path, first, file);
    if (file >= 0) close(file);
    if (looked.refusal != Refusal::None) return looked;
    std::vector<std::string> words;
    if (script_words(first, words)) {
      words.push_back(file_path);
      if (!arguments.empty()) words.insert(words.end(), arguments.begin() + 1, arguments.end());
      file_path = words.front();
      arguments = std::move(words);
      continue;
    }
    if (first.size < EI_NIDENT + 4 || std::memcmp(first.bytes.data(), ELFMAG, SELFMAG) != 0)
      return {Refusal::NotElf, ENOEXEC, file_path};
    const bool wide = first.bytes[EI_CLASS] == ELFCLASS64;
    const bool big = first.bytes[EI_DATA] == ELFDATA2MSB;
    const auto machine = field<uint16_t>(first.bytes.data() + offsetof(Elf64_Ehdr, e_machine), big);
    program.isa = isa_of_elf(machine, wide, big);
    if (program.isa == nullptr) return {Refusal::ForeignIsa, 0, file_path};
    program.relocatable_bytes = 0;
    if (wide)
      read_segments<Elf64_Ehdr, Elf64_Phdr>(first, big, program);
    else
      read_segments<Elf32_Ehdr, Elf32_Phdr>(first, big, program);
    program.path = std::move(file_path);
    program.arguments = std::move(arguments);
    return {};
  }
  return {Refusal::TooManyScripts, ELOOP, path};
}

std::vector<char*> pointers(std::vector<std::string>& texts) {
  std::vector<char*> all;
  all.reserve(texts.size() + 1);
  for (std::string& text : texts)
    all.push_back(text.data());
  all.push_back(nullptr);
  return all;
}

std::string qemu_path(const Share& share, const Isa& isa) {
  return std::string(share.qemu_folder) + "/qemu-" + isa.qemu;
}

std::vector<std::string> further_arguments(const Share& share, const Isa& isa) {
  const std::string prefix = std::string(isa.name) + ":";
  std::vector<std::string> own;
  for (const char* at = share.qemu_arguments; *at != 0; at += std::strlen(at) + 1)
    if (std::strncmp(at, prefix.c_str(), prefix.size()) == 0) own.emplace_back(at + prefix.size());
  return own;
}

std::vector<std::string> qemu_command(const Share& share, const Program& program,
                                      std::vector<std::string>& environment) {
  std::vector<std::string> command{qemu_path(share, *program.isa)};
  if (program.isa->sysroot != nullptr && access(program.isa->sysroot, F_OK) == 0) {
    command.emplace_back("-L");
    command.emplace_back(program.isa->sysroot);
  }
  for (std::string& argument : further_arguments(share, *program.isa))
    command.push_back(std::move(argument));
  for (auto variable = environment.begin(); variable != environment.end();) {
    if (variable->compare(0, 3, "LD_") != 0) {
      ++variable;
      continue;
    }
    if (variable->find(',') != std::string::npos) return {};
    command.emplace_back("-E");
    command.push_back(*variable);
    variable = environment.erase(variable);
  }
  command.emplace_back("-plugin");
  command.emplace_back();
  std::string& plugin = command.back();
  const size_t arguments_at = command.size() + 1;
  plugin = doubled_commas(share.plugin_path) + ",memory=" + doubled_commas(share.memory_path) +
           ",arguments=" + std::to_string(arguments_at) +
           ",bytes=" + std::to_string(program.relocatable_bytes);
  command.emplace_back("-0");
  command.push_back(program.arguments.empty() ? program.path : program.arguments.front());
  command.push_back(program.path);
  if (program.arguments.size() > 1)
    command.insert(command.end(), program.arguments.begin() + 1, program.arguments.end());
  return command;
}

}  // namespace mmusim::record
