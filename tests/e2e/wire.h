/* wire.h: the broker as its protocol shows it. Each test is a sentence of protocol.md. */
#ifndef WIRE_H
#define WIRE_H

int hello_tests(void);
int who_tests(void);
int figures_tests(void);
int holds_tests(void);
int publish_tests(void);
int call_tests(void);
int wait_tests(void);
int describe_tests(void);
int flow_tests(void);
int bad_input_tests(void);
int watch_tests(void);
int kick_tests(void);
int tap_tests(void);
int tap_filter_tests(void);
int turns_tests(void);   /* with turns only */
int storm_tests(void);   /* real brokers only */
int process_tests(void); /* these too */

#endif
