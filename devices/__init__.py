"""What is out there: stations, devices, sensors, quantities and readings. Pure; imports no other room."""
