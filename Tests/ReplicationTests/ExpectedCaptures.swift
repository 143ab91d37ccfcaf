// What each captured INFO text says, written down from the texts themselves (`scripts/capture-info --table` shows the
// raw fields). A line is a version, then, where the server has it:
//
//     M, or R with the master's port · up io=<seconds since last IO>, or down=<seconds, or never>
//     sync=<left>/<total>/<read> · got=<applied>/<received> · ro or rw
//     off=<master_repl_offset> · id=<first six digits> · prev=<its first six>:<its last offset>
//     log=<backlog on or off>:<first byte>+<length> · :<port>/<state>/<acknowledged>/<seconds> of each replica
//     failover=<state> · loading=<ETA> or async=<ETA> · keys · <run_id>@<port> · full=<full resyncs served> · unusual mode

enum ExpectedCaptures {
    /// The text of each state, version by version.
    static var all: String { masters + "\n" + replicas }

    static let masters = """
        cluster
          3.2.6 M off=0 log=off:0+0 keys=0 9e2d@24124 full=0 cluster
          5.0.6 M off=0 id=fba549 log=off:0+0 keys=0 0efe@21170 full=0 cluster
          6.2.14 M off=0 id=9f2ec1 log=off:0+0 keys=0 e5df@31040 full=0 cluster
          7.0.15 M off=0 id=0d66c2 log=off:0+0 keys=0 9cf1@21305 full=0 cluster
          8.2.3 M off=0 id=c8774e log=off:0+0 keys=0 62d7@22773 full=0 cluster
        diverged-new-master
          2.8.17 M off=59 log=off:0+0 keys=102 343d@23447 full=0
          3.2.6 M off=59 log=off:0+0 keys=102 121a@27839 full=0
          5.0.6 M off=115 id=0c3303 prev=2f1bf6:58 log=on:1+115 keys=102 96a8@25678 full=0
          6.2.14 M off=115 id=016b1b prev=c8d420:58 log=on:1+115 keys=102 409f@30081 full=0
          7.0.15 M off=115 id=ba6c25 prev=67243d:58 log=on:1+115 keys=102 02c2@28511 full=0
          8.2.3 M off=115 id=ec686d prev=6472b5:58 log=on:1+115 keys=102 d233@31762 full=0
        diverged-old-master
          2.8.17 M off=92 log=on:2+91 keys=102 8096@29128 full=1
          3.2.6 M off=92 log=on:2+91 keys=102 2401@26088 full=1
          5.0.6 M off=91 id=2f1bf6 log=on:1+91 keys=102 c68c@29722 full=1
          6.2.14 M off=91 id=c8d420 log=on:1+91 keys=102 6822@24774 full=1
          7.0.15 M off=91 id=67243d log=on:1+91 keys=102 2ac2@30589 full=1
          8.2.3 M off=91 id=6472b5 log=on:1+91 keys=102 ed59@23566 full=1
        empty-master-restarted
          2.8.17 M off=0 log=off:0+0 keys=0 0e93@21887 full=0
          3.2.6 M off=0 log=off:0+0 keys=0 9c00@29149 full=0
          5.0.6 M off=0 id=17f249 log=off:0+0 keys=0 7f6c@26667 full=0
          6.2.14 M off=0 id=61809b log=off:0+0 keys=0 54ca@23055 full=0
          7.0.15 M off=0 id=ac7425 log=off:0+0 keys=0 0b7c@29677 full=0
          8.2.3 M off=0 id=3ba5d4 log=off:0+0 keys=0 1c68@21981 full=0
        failover-forced
          6.2.14 R :24251 down=never got=90/90 ro off=90 id=96ef9d
              log=on:1+90 failover=failover-in-progress keys=102 d417@23139 full=1
          7.0.15 R :26835 down=never got=90/90 ro off=90 id=1ade20
              log=on:1+90 :26835/online/58/0 failover=failover-in-progress keys=102 0131@25381 full=1
          8.2.3 R :21471 down=never got=90/90 ro off=90 id=438860
              log=on:1+90 :21471/online/58/0 failover=failover-in-progress keys=102 899b@30963 full=1
        failover-in-progress
          6.2.14 M off=90 id=96ef9d log=on:1+90 :24251/online/58/0 failover=waiting-for-sync keys=102 d417@23139 full=1
          7.0.15 M off=90 id=1ade20 log=on:1+90 :26835/online/58/0 failover=waiting-for-sync keys=102 0131@25381 full=1
          8.2.3 M off=90 id=438860 log=on:1+90 :21471/online/58/0 failover=waiting-for-sync keys=102 899b@30963 full=1
        loading
          2.8.17 M off=0 log=off:0+0 loading=1 keys=82189 cfa7@24135 full=0
          3.2.6 M off=0 log=off:0+0 loading=1 keys=82168 f6fd@29815 full=0
          5.0.6 M off=0 id=b46d81 log=off:0+0 loading=1 keys=82185 c185@25238 full=0
          6.2.14 M off=0 id=c2ebc3 log=off:0+0 loading=1 keys=82188 0f61@26057 full=0
          7.0.15 M off=0 id=b187f6 log=on:1+0 loading=1 keys=82167 f6f5@22862 full=0
          8.2.3 M off=0 id=d2b171 log=on:1+0 loading=1 keys=20533 9ed2@28726 full=0
        master-alone
          2.8.17 M off=0 log=off:0+0 keys=0 ae3a@27534 full=0
          3.2.6 M off=0 log=off:0+0 keys=0 a0df@29816 full=0
          5.0.6 M off=0 id=93bb5a log=off:0+0 keys=0 faff@22245 full=0
          6.2.14 M off=0 id=e6cb31 log=off:0+0 keys=0 0150@26208 full=0
          7.0.15 M off=0 id=bba761 log=off:0+0 keys=0 98e1@29885 full=0
          8.2.3 M off=0 id=50f6d0 log=off:0+0 keys=0 4485@28331 full=0
        master-backlog-freed
          2.8.17 M off=59 log=off:2+58 keys=151 a1a4@23240 full=2
          3.2.6 M off=59 log=off:2+58 keys=151 9dee@31981 full=2
          5.0.6 M off=58 id=fe77c4 log=off:1+58 keys=151 edea@31268 full=1
          6.2.14 M off=58 id=413e5f log=off:1+58 keys=151 a282@22234 full=1
          7.0.15 M off=58 id=88b46d log=off:0+0 keys=151 9cb6@29341 full=1
          8.2.3 M off=58 id=89583e log=off:0+0 keys=151 1f81@28115 full=1
        master-before-sync
          2.8.17 M off=1 log=on:2+0 :25845/wait_bgsave/0/0 keys=1500000 02fc@27321 full=1
          3.2.6 M off=1 log=on:2+0 :27955/wait_bgsave/0/0 keys=1500000 d4de@29111 full=1
          5.0.6 M off=0 id=34c37e log=on:1+0 :26435/wait_bgsave/0/0 keys=1500000 32e9@22047 full=1
          6.2.14 M off=0 id=deaaef log=on:1+0 :23993/wait_bgsave/0/0 keys=1500000 787e@29913 full=1
          7.0.15 M off=0 id=9e59b6 log=on:1+0 :31727/wait_bgsave/0/0 keys=1500000 f9c5@31675 full=1
          8.2.3 M off=0 id=76f71e log=on:1+0 :31137/wait_bgsave/0/0 keys=1500000 d2de@23216 full=1
        master-during-sync
          2.8.17 M off=1 log=on:2+0 :25845/send_bulk/0/0 keys=1500000 02fc@27321 full=1
          3.2.6 M off=1 log=on:2+0 :27955/send_bulk/0/0 keys=1500000 d4de@29111 full=1
          5.0.6 M off=0 id=34c37e log=on:1+0 :26435/send_bulk/0/0 keys=1500000 32e9@22047 full=1
          6.2.14 M off=0 id=deaaef log=on:1+0 :23993/send_bulk/0/0 keys=1500000 787e@29913 full=1
          7.0.15 M off=0 id=9e59b6 log=on:1+0 :31727/send_bulk/0/0 keys=1500000 f9c5@31675 full=1
          8.2.3 M off=0 id=76f71e log=on:1+0 :31137/send_bulk/0/0 keys=1500000 d2de@23216 full=1
        master-during-sync-diskless
          3.2.6 M off=1 log=on:2+0 :24566/wait_bgsave/0/0 keys=1500000 cb69@31935 full=1
          5.0.6 M off=0 id=e36d68 log=on:1+0 :31551/wait_bgsave/0/0 keys=1500000 6c89@25388 full=1
          6.2.14 M off=0 id=ec69d8 log=on:1+0 :29511/wait_bgsave/0/0 keys=1500000 479e@23935 full=1
          7.0.15 M off=0 id=10f504 log=on:1+0 :31504/wait_bgsave/0/0 keys=1500000 c046@27297 full=1
          8.2.3 M off=0 id=655347 log=on:1+0 :26835/send_bulk_and_stream/0/0 keys=1500000 6cbd@23507 full=1
        master-while-replica-loads
          2.8.17 M off=1 log=on:2+0 :25845/online/0/0 keys=1500000 02fc@27321 full=1
          3.2.6 M off=1 log=on:2+0 :27955/online/0/0 keys=1500000 d4de@29111 full=1
          5.0.6 M off=0 id=34c37e log=on:1+0 :26435/online/0/0 keys=1500000 32e9@22047 full=1
          6.2.14 M off=0 id=deaaef log=on:1+0 :23993/online/0/0 keys=1500000 787e@29913 full=1
          7.0.15 M off=0 id=9e59b6 log=on:1+0 :31727/online/0/0 keys=1500000 f9c5@31675 full=1
          8.2.3 M off=0 id=76f71e log=on:1+0 :31137/online/0/0 keys=1500000 d2de@23216 full=1
        master-with-replica
          2.8.17 M off=59 log=on:2+58 :23404/online/59/0 keys=101 420b@23267 full=1
          3.2.6 M off=59 log=on:2+58 :29543/online/59/0 keys=101 865b@25353 full=1
          5.0.6 M off=58 id=eb2928 log=on:1+58 :28636/online/58/0 keys=101 a9f1@26862 full=1
          6.2.14 M off=58 id=a7f5b6 log=on:1+58 :27000/online/58/0 keys=101 b00f@25108 full=1
          7.0.15 M off=58 id=660ae2 log=on:1+58 :24829/online/58/0 keys=101 49e8@21736 full=1
          8.2.3 M off=58 id=e7ff84 log=on:1+58 :21223/online/58/0 keys=101 3d14@22912 full=1
        min-slaves
          2.8.17 M off=59 log=on:2+58 :28084/online/59/1 keys=101 fcbc@25861 full=1
          3.2.6 M off=59 log=on:2+58 :22814/online/59/1 keys=101 d04c@22333 full=1
          5.0.6 M off=58 id=b94dba log=on:1+58 :24749/online/58/1 keys=101 de8a@27406 full=1
          6.2.14 M off=58 id=0a3d5f log=on:1+58 :25224/online/58/1 keys=101 9f09@30497 full=1
          7.0.15 M off=58 id=315f90 log=on:1+58 :26796/online/58/1 keys=101 f3bd@21040 full=1
          8.2.3 M off=58 id=0f624c log=on:1+58 :28918/online/58/1 keys=101 7e4e@30758 full=1
        min-slaves-unmet
          2.8.17 M off=0 log=off:0+0 keys=100 fcbc@25861 full=0
          3.2.6 M off=0 log=off:0+0 keys=100 d04c@22333 full=0
          5.0.6 M off=0 id=20eed5 log=off:0+0 keys=100 de8a@27406 full=0
          6.2.14 M off=0 id=7b8574 log=off:0+0 keys=100 9f09@30497 full=0
          7.0.15 M off=0 id=2944fa log=off:0+0 keys=100 f3bd@21040 full=0
          8.2.3 M off=0 id=47fe4f log=off:0+0 keys=100 7e4e@30758 full=0
        mutual-A
          2.8.17 R :26725 down=never got=1/- ro off=0 log=off:2+58 keys=101 5cf0@24401 full=1
          3.2.6 R :28448 down=never got=1/- ro off=0 log=off:2+58 keys=101 6b0d@21642 full=1
          5.0.6 R :28630 down=never got=58/- ro off=58 id=ade264 log=on:1+58 keys=101 b610@27106 full=1
          6.2.14 R :22311 down=never got=58/58 ro off=58 id=c786a4 log=on:1+58 keys=101 42f6@26101 full=1
          7.0.15 R :26609 up io=3 got=58/58 ro off=58 id=c0c43d log=on:1+58 :26609/online/58/0 keys=101 0d05@27104 full=1
          8.2.3 R :22048 up io=3 got=58/58 ro off=58 id=71b311 log=on:1+58 :22048/online/58/1 keys=101 446f@27455 full=1
        mutual-B
          2.8.17 R :24401 down=3 got=1/- ro off=0 log=off:0+0 keys=101 58bc@26725 full=0
          3.2.6 R :21642 down=3 got=1/- ro off=0 log=off:0+0 keys=101 7c20@28448 full=0
          5.0.6 R :27106 down=3 got=58/- ro off=58 id=ade264 log=on:1+58 keys=101 38da@28630 full=0
          6.2.14 R :26101 down=3 got=58/58 ro off=58 id=c786a4 log=on:1+58 keys=101 e068@22311 full=0
          7.0.15 R :27104 up io=4 got=58/58 ro off=58 id=c0c43d log=on:1+58 :27104/online/58/0 keys=101 d910@26609 full=0
          8.2.3 R :27455 up io=4 got=58/58 ro off=58 id=71b311 log=on:1+58 :27455/online/58/0 keys=101 7c98@22048 full=0
        old-master-following
          2.8.17 R :21140 up io=2 got=122/- ro off=0 log=off:2+58 keys=102 5a47@31092 full=1
          3.2.6 R :28552 up io=2 got=122/- ro off=0 log=off:2+58 keys=102 ccaa@28105 full=1
          5.0.6 R :28034 up io=2 got=120/- ro off=120 id=763744 prev=b0c81f:58 log=on:1+120 keys=102 358a@29140 full=1
          6.2.14 R :26173 up io=2 got=120/120 ro off=120 id=8ebdb3 prev=cfb7ab:58 log=on:1+120 keys=102 d628@27888 full=1
          7.0.15 R :27814 up io=2 got=120/120 ro off=120 id=351f0c prev=172259:58 log=on:1+120 keys=102 0890@22218 full=1
          8.2.3 R :21494 up io=2 got=120/120 ro off=120 id=ed6ca2 prev=cbe67b:58 log=on:1+120 keys=102 8036@26713 full=1
        promoted
          2.8.17 M off=59 log=off:0+0 keys=101 da7c@21140 full=0
          3.2.6 M off=59 log=off:0+0 keys=101 539e@28552 full=0
          5.0.6 M off=58 id=763744 prev=b0c81f:58 log=on:1+58 keys=101 99dd@28034 full=0
          6.2.14 M off=58 id=8ebdb3 prev=cfb7ab:58 log=on:1+58 keys=101 e322@26173 full=0
          7.0.15 M off=58 id=351f0c prev=172259:58 log=on:1+58 keys=101 9744@27814 full=0
          8.2.3 M off=58 id=ed6ca2 prev=cbe67b:58 log=on:1+58 keys=101 dee5@21494 full=0
        promoted-link-down
          2.8.17 M off=0 log=off:0+0 keys=101 bce3@23404 full=0
          3.2.6 M off=0 log=off:0+0 keys=101 565a@29543 full=0
          5.0.6 M off=58 id=88b543 prev=eb2928:58 log=on:1+58 keys=101 1981@28636 full=0
          6.2.14 M off=58 id=0f7d8c prev=a7f5b6:58 log=on:1+58 keys=101 4bb4@27000 full=0
          7.0.15 M off=58 id=d299c6 prev=660ae2:58 log=on:1+58 keys=101 53f7@24829 full=0
          8.2.3 M off=58 id=4a597a prev=e7ff84:58 log=on:1+58 keys=101 683f@21223 full=0
        promoted-with-follower
          2.8.17 M off=122 log=on:61+62 :31092/online/122/1 keys=102 da7c@21140 full=1
          3.2.6 M off=122 log=on:61+62 :28105/online/122/1 keys=102 539e@28552 full=1
          5.0.6 M off=120 id=763744 prev=b0c81f:58 log=on:1+120 :29140/online/120/1 keys=102 99dd@28034 full=0
          6.2.14 M off=120 id=8ebdb3 prev=cfb7ab:58 log=on:1+120 :27888/online/120/1 keys=102 e322@26173 full=0
          7.0.15 M off=120 id=351f0c prev=172259:58 log=on:1+120 :22218/online/120/1 keys=102 9744@27814 full=0
          8.2.3 M off=120 id=ed6ca2 prev=cbe67b:58 log=on:1+120 :26713/online/120/1 keys=102 dee5@21494 full=0
        sentinel
          2.8.17 sentinel
          3.2.6 sentinel
          5.0.6 sentinel
          6.2.14 sentinel
          7.0.15 sentinel
          8.2.3 sentinel
        """

    static let replicas = """
        replica-async-loading
          7.0.15 R :35533 down=4 sync=0/-/0 got=0/0 ro off=0 id=ce8b18 log=on:1+0 async=52 keys=200000 585e@25181 full=0
          8.2.3 R :35649 down=1 sync=0/-/0 got=0/0 ro off=0 id=b6da07 log=on:1+0 async=38 keys=200000 99c7@26521 full=0
        replica-before-wipe
          2.8.17 R :21887 down=0 got=59/- ro off=0 log=off:0+0 keys=101 066e@31946 full=0
          3.2.6 R :29149 down=0 got=59/- ro off=0 log=off:0+0 keys=101 9452@28585 full=0
          5.0.6 R :26667 down=0 got=58/- ro off=58 id=f62474 log=on:1+58 keys=101 1eb4@24802 full=0
          6.2.14 R :23055 down=0 got=58/58 ro off=58 id=5b07df log=on:1+58 keys=101 8a54@28503 full=0
          7.0.15 R :29677 down=0 got=58/58 ro off=58 id=9e24fe log=on:1+58 keys=101 d71b@24102 full=0
          8.2.3 R :21981 down=0 got=58/58 ro off=58 id=8bff86 log=on:1+58 keys=101 2e2b@24744 full=0
        replica-link-down
          2.8.17 R :23267 down=1 got=59/- ro off=0 log=off:0+0 keys=101 bce3@23404 full=0
          3.2.6 R :25353 down=1 got=59/- ro off=0 log=off:0+0 keys=101 565a@29543 full=0
          5.0.6 R :26862 down=1 got=58/- ro off=58 id=eb2928 log=on:1+58 keys=101 1981@28636 full=0
          6.2.14 R :25108 down=1 got=58/58 ro off=58 id=a7f5b6 log=on:1+58 keys=101 4bb4@27000 full=0
          7.0.15 R :21736 down=1 got=58/58 ro off=58 id=660ae2 log=on:1+58 keys=101 53f7@24829 full=0
          8.2.3 R :22912 down=1 got=58/58 ro off=58 id=e7ff84 log=on:1+58 keys=101 683f@21223 full=0
        replica-loading
          2.8.17 R :45421 down=never sync=0/-/- got=1/- ro off=0 log=off:0+0 loading=17 keys=82189 0c6c@25845 full=0
          3.2.6 R :40763 down=never sync=0/-/- got=1/- ro off=0 log=off:0+0 loading=1 keys=82168 0ec5@27955 full=0
          5.0.6 R :41477 down=never sync=0/-/- got=1/- ro off=0 id=2f300a
              log=off:0+0 loading=1 keys=82185 81bb@26435 full=0
          6.2.14 R :36509 down=never sync=0/38277965/38277965 got=1/1 ro off=0 id=8b0ce2
              log=off:0+0 loading=1 keys=82188 8f05@23993 full=0
          7.0.15 R :40149 down=never sync=0/38277961/38277961 got=1/1 ro off=0 id=db6950
              log=off:0+0 loading=1 keys=82167 2d15@31727 full=0
          8.2.3 R :33281 down=never sync=0/38277960/38277960 got=1/1 ro off=0 id=f7ae95
              log=off:0+0 loading=1 keys=20533 2f38@31137 full=0
        replica-never-connected
          2.8.17 R :21517 down=never got=1/- ro off=0 log=off:0+0 keys=0 ba0d@29957 full=0
          3.2.6 R :30036 down=never got=1/- ro off=0 log=off:0+0 keys=0 0592@23632 full=0
          5.0.6 R :21946 down=never got=0/- ro off=0 id=39fdd5 log=off:0+0 keys=0 bb1b@26222 full=0
          6.2.14 R :28706 down=never got=0/0 ro off=0 id=863b23 log=off:0+0 keys=0 7328@31015 full=0
          7.0.15 R :24632 down=never got=0/0 ro off=0 id=1b321f log=off:0+0 keys=0 b56e@21509 full=0
          8.2.3 R :28160 down=never got=0/0 ro off=0 id=646606 log=off:0+0 keys=0 3c07@31716 full=0
        replica-of-replica
          2.8.17 R :26327 up io=2 got=65/- ro off=0 log=off:0+0 keys=102 3f66@29328 full=0
          3.2.6 R :23099 up io=1 got=65/- ro off=0 log=off:0+0 keys=102 e80e@29982 full=0
          5.0.6 R :29596 up io=1 got=99/- ro off=99 id=f36778 log=on:59+41 keys=102 c90f@28519 full=0
          6.2.14 R :23243 up io=1 got=99/99 ro off=99 id=e43fbe log=on:59+41 keys=102 8fbf@22980 full=0
          7.0.15 R :26220 up io=2 got=99/99 ro off=99 id=f662fb log=on:59+41 keys=102 f076@23634 full=0
          8.2.3 R :24372 up io=2 got=99/99 ro off=99 id=0fb88d log=on:59+41 keys=102 88cf@29397 full=0
        replica-online
          2.8.17 R :23267 up io=1 got=59/- ro off=0 log=off:0+0 keys=101 bce3@23404 full=0
          3.2.6 R :25353 up io=1 got=59/- ro off=0 log=off:0+0 keys=101 565a@29543 full=0
          5.0.6 R :26862 up io=1 got=58/- ro off=58 id=eb2928 log=on:1+58 keys=101 1981@28636 full=0
          6.2.14 R :25108 up io=1 got=58/58 ro off=58 id=a7f5b6 log=on:1+58 keys=101 4bb4@27000 full=0
          7.0.15 R :21736 up io=1 got=58/58 ro off=58 id=660ae2 log=on:1+58 keys=101 53f7@24829 full=0
          8.2.3 R :22912 up io=1 got=58/58 ro off=58 id=e7ff84 log=on:1+58 keys=101 683f@21223 full=0
        replica-syncing
          2.8.17 R :45421 down=never sync=35883688/-/- got=1/- ro off=0 log=off:0+0 keys=5 0c6c@25845 full=0
          3.2.6 R :40763 down=never sync=35883753/-/- got=1/- ro off=0 log=off:0+0 keys=5 0ec5@27955 full=0
          5.0.6 R :41477 down=never sync=35818316/-/- got=1/- ro off=0 id=2f300a log=off:0+0 keys=5 81bb@26435 full=0
          6.2.14 R :36509 down=never sync=35818317/38277965/2459648 got=1/1 ro off=0 id=8b0ce2
              log=off:0+0 keys=5 8f05@23993 full=0
          7.0.15 R :40149 down=never sync=35883849/38277961/2394112 got=0/0 ro off=0 id=db6950
              log=off:0+0 keys=5 2d15@31727 full=0
          8.2.3 R :33281 down=never sync=35818312/38277960/2459648 got=0/0 ro off=0 id=f7ae95
              log=off:0+0 keys=5 2f38@31137 full=0
        replica-syncing-diskless
          3.2.6 R :42677 down=never sync=-/-/- got=1/- ro off=0 log=off:0+0 keys=5 8f6f@24566 full=0
          5.0.6 R :36599 down=never sync=-/-/- got=1/- ro off=0 id=bae649 log=off:0+0 keys=5 2219@31551 full=0
          6.2.14 R :37125 down=never sync=-/-/2414584 got=1/1 ro off=0 id=b2602c log=off:0+0 keys=5 b00b@29511 full=0
          7.0.15 R :40215 down=never sync=-/-/2477070 got=0/0 ro off=0 id=8a88cf log=off:0+0 keys=5 3f20@31504 full=0
          8.2.3 R :37713 down=never sync=-/-/2426886 got=0/0 ro off=0 id=fa3906 log=off:0+0 keys=5 90fc@26835 full=0
        replica-syncing-start
          2.8.17 R :45421 down=never sync=-/-/- got=1/- ro off=0 log=off:0+0 keys=5 0c6c@25845 full=0
          3.2.6 R :40763 down=never sync=-/-/- got=1/- ro off=0 log=off:0+0 keys=5 0ec5@27955 full=0
          5.0.6 R :41477 down=never sync=-/-/- got=1/- ro off=0 id=2f300a log=off:0+0 keys=5 81bb@26435 full=0
          6.2.14 R :36509 down=never sync=-/-/0 got=1/1 ro off=0 id=8b0ce2 log=off:0+0 keys=5 8f05@23993 full=0
          7.0.15 R :40149 down=never sync=-/-/0 got=0/0 ro off=0 id=db6950 log=off:0+0 keys=5 2d15@31727 full=0
          8.2.3 R :33281 down=never sync=-/-/0 got=0/0 ro off=0 id=f7ae95 log=off:0+0 keys=5 2f38@31137 full=0
        replica-wiped
          2.8.17 R :21887 up io=0 got=1/- ro off=0 log=off:0+0 keys=0 066e@31946 full=0
          3.2.6 R :29149 up io=0 got=1/- ro off=0 log=off:0+0 keys=0 9452@28585 full=0
          5.0.6 R :26667 up io=0 got=0/- ro off=0 id=79de5a log=on:1+0 keys=0 1eb4@24802 full=0
          6.2.14 R :23055 up io=0 got=0/0 ro off=0 id=2fb033 log=on:1+0 keys=0 8a54@28503 full=0
          7.0.15 R :29677 up io=0 got=0/0 ro off=0 id=8d345f log=on:1+0 keys=0 d71b@24102 full=0
          8.2.3 R :21981 up io=0 got=0/0 ro off=0 id=b79c8f log=on:1+0 keys=0 2e2b@24744 full=0
        replica-with-replica
          2.8.17 R :31542 up io=2 got=100/- ro off=65 log=on:2+64 :29328/online/65/1 keys=102 6e3c@26327 full=1
          3.2.6 R :26877 up io=1 got=100/- ro off=65 log=on:2+64 :29982/online/65/1 keys=102 a9cc@23099 full=1
          5.0.6 R :23364 up io=1 got=99/- ro off=99 id=f36778 log=on:1+99 :28519/online/99/0 keys=102 d485@29596 full=1
          6.2.14 R :30847 up io=1 got=99/99 ro off=99 id=e43fbe log=on:1+99 :22980/online/99/0 keys=102 53ce@23243 full=1
          7.0.15 R :22322 up io=2 got=99/99 ro off=99 id=f662fb log=on:1+99 :23634/online/99/1 keys=102 863f@26220 full=1
          8.2.3 R :29295 up io=2 got=99/99 ro off=99 id=0fb88d log=on:1+99 :29397/online/99/0 keys=102 a419@24372 full=1
        replica-writable
          2.8.17 R :28942 up io=1 got=59/- rw off=0 log=off:0+0 keys=102 d3af@22315 full=0
          3.2.6 R :26607 up io=1 got=59/- rw off=0 log=off:0+0 keys=102 573a@22489 full=0
          5.0.6 R :21830 up io=1 got=58/- rw off=58 id=e49f4e log=on:1+58 keys=102 afda@27111 full=0
          6.2.14 R :27531 up io=1 got=58/58 rw off=58 id=a4e134 log=on:1+58 keys=102 bc8a@26638 full=0
          7.0.15 R :23281 up io=1 got=58/58 rw off=58 id=426b16 log=on:1+58 keys=102 7dd1@29862 full=0
          8.2.3 R :30839 up io=1 got=58/58 rw off=58 id=f39359 log=on:1+58 keys=102 ebd6@21998 full=0
        """
}
