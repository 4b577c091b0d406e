"""Old databases of OpenClaw Mission Control, which tests take over."""
