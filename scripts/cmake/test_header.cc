// Nothing but a place for the header that all tests precompile.
int main() {
  return 0;
}
