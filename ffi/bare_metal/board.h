/* What a program needs of its machine: text out, and an end. */
#ifndef BOARD_H
#define BOARD_H

/* Prints a text. */
void put(const char *text);

/* Ends the program, with success if `code` is 0. */
void end(int code) __attribute__((noreturn));

/* The program. */
int run(void);

#endif
