/* Two copies of the library under names of their own, and another library in Rust, in one program. */
#include <stdio.h>

int first_main(void);
int second_main(void);
int other_library(void);

int main(void) {
    const int status = first_main() | second_main();
    if (other_library() != 7) {
        puts("the other library is not itself");
        return 1;
    }
    return status;
}
