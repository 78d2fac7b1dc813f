/* numbers.c: an old program that prints its input with numbers, in a loop around poll(2). What is
 * new: it publishes ... */
